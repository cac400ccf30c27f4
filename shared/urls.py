"""Hosts: of pages, of referrers, of sites, and which of them are the same site.

The one place that takes a URL apart, as browsers do (https://url.spec.whatwg.org). A host is in
lower case and, where it is international, in Unicode (IDNA 2008); it has no user, port, brackets or
trailing dot, and is cut to MAX_NAME characters. No input raises.
"""

import re
from functools import lru_cache

from ada_url import parse_url

from shared.fields import MAX_NAME
from shared.labels import MAX_LABEL, readable

WEB = r"[Hh][Tt][Tt][Pp][Ss]?://"
ANY = r"[A-Za-z][A-Za-z0-9+.-]{0,62}://"
# Browsers skip further slashes before the host, and tabs and line ends anywhere. A name has at most
# 253 bytes, and the parser's time grows with the square of the host's length: this is long enough.
UP_TO_PATH = r"[/\\\t\n\r]{0,8}+[^/\\?#]{1,512}+(?:[/\\?#]|\Z)"

ABSOLUTE = re.compile(WEB)
# What is parsed and cached: a URL as far as pages of one site have it in common.
PAGE_HEAD = re.compile(WEB + UP_TO_PATH)
HEAD = re.compile(ANY + UP_TO_PATH)
# Of a name in ASCII: RFC 1035 has 255 bytes, of which two are not written.
MAX_HOST = 253
# Names have three or four labels, and each that is international takes two microseconds.
MAX_LABELS = 6
# Of a URL up to a path, where it is international: the parser needs a quarter of a microsecond for
# each character, and for a label the square. The longest names that people have are a third of it.
MAX_INTERNATIONAL = 128
# What stands between labels; IDNA knows four of them.
DOT = re.compile("[.\u3002\uff0e\uff61]")
# With heads as long as they may be, less than 8 MB.
CACHED_HEADS = 2048
# What a site_id that is a host does not hold, though a parser would find a host before or after it.
BESIDE_HOST = re.compile(r"[/\\?#@]")
WWW = "www."


def is_absolute(page: str) -> bool:
    """Whether a page is given as a web address rather than as a path."""
    return ABSOLUTE.match(page) is not None


def page_host(page: str) -> str | None:
    """The host of a page that is given as a web address; None for a path, or without a host."""
    head = PAGE_HEAD.match(page)
    return parsed_host(head[0]) if head else None


def host_from(url: str) -> str | None:
    """The host of a URL of any scheme, such as an app's name in `android-app://com.example/`.

    None without scheme and `//`, and where a browser would find no host.
    """
    head = HEAD.match(url)
    return parsed_host(head[0]) if head else None


def host_named(name: str) -> str | None:
    """The host that a name is, such as `Blog.Example:8080`; None for a name that is no host."""
    return None if BESIDE_HOST.search(name) else host_from(f"https://{name}/")


def site_from(name: str) -> str:
    """What tells sites apart: a host or a site_id without `www.` and port, an international name in
    its readable form. A name that is no host, such as `my blog`, is in lower case."""
    return without_www(host_named(name) or name.strip().lower())


def without_www(host: str) -> str:
    """The host without `www.`, unless that is its name: www.com is a site."""
    rest = host.removeprefix(WWW)
    return rest if "." in rest else host


@lru_cache(maxsize=CACHED_HEADS)
def parsed_host(head: str) -> str | None:
    if not head.isascii() and is_too_long(head):
        return None
    try:
        host = parse_url(head, ("hostname",))["hostname"]
    except ValueError:  # no URL, or a lone surrogate in it
        return None
    # Those of other schemes than the web's keep their case.
    host = host.lower().strip("[]").rstrip(".")
    if "xn--" in host and len(host) <= MAX_HOST and host.count(".") < MAX_LABELS:
        host = ".".join(map(readable, host.split(".")))
    return host[:MAX_NAME].rstrip(".") or None


def is_too_long(head: str) -> bool:
    """Whether an international name is longer than one can be."""
    return len(head) > MAX_INTERNATIONAL or max(map(len, DOT.split(head))) > MAX_LABEL
