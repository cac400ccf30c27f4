"""Which browser, operating system and kind of device a user agent stands for.

ua-parser's regexes name the browser and the system; the tables below give them the names that site
owners know. Whatever cannot be told is None: nothing is guessed. No input raises.
"""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from ua_parser import Domain, PartialResult
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from shared.fields import MAX_CLIENT

# Visitors share a few thousand user agents, and looking one up is 500 times faster than parsing it.
# Bounded, for anybody may send new ones: 16 MB where all of them are as long as they may be.
CACHED_USER_AGENTS = 16_384

BROWSERS = {
    "Android": "Android Browser",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Ecosia Android": "Ecosia",
    "Ecosia iOS": "Ecosia",
    "Edge Mobile": "Edge",
    "Firefox Alpha": "Firefox",
    "Firefox Beta": "Firefox",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "IE": "Internet Explorer",
    "IE Large Screen": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Opera Mobile": "Opera",
    "Opera Touch": "Opera",
    "QQ Browser Mini": "QQ Browser",
    "QQ Browser Mobile": "QQ Browser",
}
SYSTEMS = {
    "ATV OS X": "tvOS",
    "Chromecast Android": "Chromecast",
    "Chromecast Fuchsia": "Chromecast",
    "Chromecast Linux": "Chromecast",
    "Chromecast SmartSpeaker": "Chromecast",
    "Mac OS X": "macOS",
    "WatchOS": "watchOS",
    "Web0S": "webOS",
} | dict.fromkeys(
    [
        "Arch Linux",
        "BackTrack",
        "CentOS",
        "Debian",
        "Fedora",
        "Gentoo",
        "Kubuntu",
        "Linux Mint",
        "Lubuntu",
        "Mageia",
        "Mandriva",
        "PCLinuxOS",
        "Puppy",
        "Red Hat",
        "SUSE",
        "Slackware",
        "Ubuntu",
        "openSUSE",
    ],
    "Linux",
)
DESKTOPS = frozenset(
    [
        "BSD",
        "Chrome OS",
        "FreeBSD",
        "Linux",
        "Mac OS",
        "NetBSD",
        "OpenBSD",
        "Solaris",
        "Windows",
        "macOS",
    ]
)
PHONES = frozenset(
    {"BlackBerry OS", "Firefox OS", "KaiOS", "Windows Mobile", "Windows Phone", "iOS"}
)
TABLETS = frozenset({"BlackBerry Playbook", "Generic Tablet", "Kindle", "iPad"})
# Drive a browser for tests and scrapers. ua-parser takes them for what they run on.
AUTOMATED = frozenset({"HeadlessChrome", "PhantomJS"})
# Sets, boxes, sticks and consoles. AFT and a few letters is what a Fire TV calls itself.
TELEVISION = re.compile(
    r"\b(?:(?i:Smart-?TV|Apple ?TV|Android TV|Google ?TV|HbbTV|NetCast|BRAVIA|VIERA|CrKey|Roku"
    r"|MIBOX|TV Safari|PlayStation [345]|Xbox)|AFT[A-Z]{1,5}\b)"
)


class Client(NamedTuple):
    """What a user agent tells; None for what it does not."""

    browser: str | None
    os: str | None
    device: str | None


UNKNOWN = Client(None, None, None)


@cache
def resolver() -> Resolver:
    """Made when first needed: compiling a thousand regexes takes 0.2 s.

    Two threads that both come first make one each, and the second is kept: a waste, and no harm.
    """
    return Resolver(load_lazy_builtins())


@lru_cache(maxsize=CACHED_USER_AGENTS)
def client_from(user_agent: str | None) -> Client:
    """The client that sends this user agent. `device` is desktop, mobile, tablet, tv or bot."""
    if not user_agent:
        return UNKNOWN
    # A lone surrogate is no UTF-8, and the regexes are matched in Rust.
    readable = user_agent.encode("utf-8", "replace").decode()
    found = resolver()(readable, Domain.ALL)
    family = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if family.startswith("Firefox ("):  # a build under its code name
        family = "Firefox"
    system = SYSTEMS.get(system, system)
    return Client(
        known(BROWSERS.get(family, family)), known(system), device_from(readable, found, system)
    )


def known(family: str) -> str | None:
    name = family.strip()[:MAX_CLIENT]
    return None if name in {"", "Other"} else name


def device_from(user_agent: str, found: PartialResult, system: str) -> str | None:
    """The kind of device. An iPad that asks for desktop sites says it is a Mac, and counts so."""
    device = found.device.family if found.device else ""
    browser = found.user_agent.family if found.user_agent else ""
    if device == "Spider" or browser in AUTOMATED:
        return "bot"
    if TELEVISION.search(user_agent):
        return "tv"
    if device in TABLETS:
        return "tablet"
    if system in PHONES or "Mobile" in user_agent or device == "Generic Smartphone":
        return "mobile"
    # Every browser begins so. What does not is a program, and what it runs on need not be a desk.
    if not user_agent.startswith(("Mozilla/", "Opera/")):
        return None
    # Browsers on Android say Mobile on phones alone.
    if system == "Android":
        return "tablet"
    return "desktop" if system in DESKTOPS else None
