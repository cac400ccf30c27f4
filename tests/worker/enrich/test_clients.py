"""User agents as they are sent, and what site owners read of them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.fields import MAX_CLIENT
from worker.enrich.clients import Client, client_from

Known = list[tuple[str, str | None, str | None]]

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)"
IPAD = "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
CHROME = f"{WEBKIT} Chrome/126.0.0.0 Safari/537.36"
CHROME_PHONE = f"{WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36"
SAFARI_PHONE = f"{APPLE} Version/17.5 Mobile/15E148 Safari/604.1"
GALAXY = f"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S928B) {WEBKIT}"
WEBVIEW = f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) {WEBKIT} Version/4.0"
GOOGLEBOT = "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FIREFOX = "Gecko/20100101 Firefox/127.0"

DESKTOPS: Known = [
    (f"{WINDOWS} {CHROME}", "Chrome", "Windows"),
    (f"{WINDOWS} {CHROME} Edg/126.0.2592.68", "Edge", "Windows"),
    (f"{WINDOWS} {CHROME} OPR/111.0.0.0", "Opera", "Windows"),
    (f"{WINDOWS} {CHROME} Vivaldi/6.7", "Vivaldi", "Windows"),
    (f"{WINDOWS[:-1]}; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer", "Windows"),
    (f"{WINDOWS[:-1]}; rv:1.9.1) Gecko/20090624 Shiretoko/3.5", "Firefox", "Windows"),
    (f"{MAC} {CHROME}", "Chrome", "macOS"),
    (f"{MAC} {APPLE} Version/17.5 Safari/605.1.15", "Safari", "macOS"),
    (f"{LINUX} {CHROME}", "Chrome", "Linux"),
    (f"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) {FIREFOX}", "Firefox", "Linux"),
    (f"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) {FIREFOX}", "Firefox", "Linux"),
    (f"Mozilla/5.0 (X11; Fedora; Linux x86_64; rv:127.0) {FIREFOX}", "Firefox", "Linux"),
    (f"Mozilla/5.0 (X11; FreeBSD amd64; rv:127.0) {FIREFOX}", "Firefox", "FreeBSD"),
    (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME}", "Chrome", "Chrome OS"),
]
PHONES: Known = [
    (f"{IPHONE} {SAFARI_PHONE}", "Safari", "iOS"),
    (f"{IPHONE} {APPLE} Mobile/15E148", "Safari", "iOS"),
    (f"{IPHONE} {APPLE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1", "Chrome", "iOS"),
    (f"{IPHONE} {APPLE} FxiOS/127.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iOS"),
    (f"{IPHONE} {APPLE} Version/17.0 EdgiOS/126.0 Mobile/15E148 Safari/605.1.15", "Edge", "iOS"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME_PHONE}", "Chrome", "Android"),
    (f"Mozilla/5.0 (Linux; Android 8.0.0; CUBOT X18) {CHROME_PHONE}", "Chrome", "Android"),
    ("Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0", "Firefox", "Android"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME_PHONE} EdgA/126.0.2592.56", "Edge", "Android"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME_PHONE} OPR/82.0.0.0", "Opera", "Android"),
    (f"{GALAXY} SamsungBrowser/25.0 Mobile Safari/537.36", "Samsung Internet", "Android"),
    (f"{WEBVIEW} Chrome/126.0.0.0 Mobile Safari/537.36", "Chrome", "Android"),
    ("Opera/9.80 (Android; Opera Mini/36.2; U; en) Presto/2.12.423", "Opera Mini", "Android"),
    (f"{IPHONE} {APPLE} OPT/4.6.0 Mobile/15E148", "Opera", "iOS"),
    ("Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Firefox/48.0 KAIOS/2.5", "Firefox", "KaiOS"),
]
TABLETS: Known = [
    (f"{IPAD} {SAFARI_PHONE}", "Safari", "iOS"),
    (f"{IPAD} {APPLE} CriOS/126.0 Mobile/15E148 Safari/604.1", "Chrome", "iOS"),
    (f"Mozilla/5.0 (Linux; Android 13; SM-X906C) {CHROME}", "Chrome", "Android"),
    ("Mozilla/5.0 (Android 14; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0", "Firefox", "Android"),
    (f"{LINUX} {WEBKIT} Silk/108.4.6 like Chrome/108.0 Safari/537.36", "Amazon Silk", "Linux"),
]
TELEVISIONS: Known = [
    (f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) {WEBKIT} TV Safari/537.36", "Safari", "Tizen"),
    (f"Mozilla/5.0 (Web0S; Linux/SmartTV) {CHROME} WebAppManager", "Chrome", "webOS"),
    (f"Mozilla/5.0 (Linux; Android 9; BRAVIA 4K UR2) {CHROME}", "Chrome", "Android"),
    (f"Mozilla/5.0 (Linux; Android 11; AFTKA) {CHROME_PHONE}", "Chrome", "Android"),
    (f"Mozilla/5.0 (X11; Linux armv7l) {CHROME} CrKey/1.54.250320", "Chrome", "Chromecast"),
    (f"{WINDOWS[:-1]}; Xbox; Xbox One) {CHROME} Edge/20.02", "Edge", "Windows"),
    ("AppleTV11,1/11.1", None, "tvOS"),
    ("Roku/DVP-9.10 (519.10E04111A)", "Roku", "Roku"),
]
BOTS: Known = [
    (f"Mozilla/5.0 {GOOGLEBOT}", "Googlebot", None),
    (f"Mozilla/5.0 (Linux; Android 6.0.1) {CHROME_PHONE} {GOOGLEBOT}", "Googlebot", "Android"),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot", None),
    (f"{LINUX} {WEBKIT} HeadlessChrome/126.0.0.0 Safari/537.36", "HeadlessChrome", "Linux"),
]
PROGRAMS: Known = [
    ("curl/8.5.0", "curl", None),
    ("python-requests/2.32.3", "Python Requests", None),
    ("Wget/1.21.3 (linux-gnu)", "Wget", "Linux"),
    ("Dalvik/2.1.0 (Linux; U; Android 13; SM-A525F Build/TP1A)", "Android Browser", "Android"),
    ("Mozilla/5.0 (Nintendo Switch; WebApplet) AppleWebKit/609.4 (KHTML, like Gecko)", None, None),
    ("NotABrowser", None, None),
    ("I looked at Linux after lunch", None, "Linux"),
    ("-", None, None),
    (" ", None, None),
]
KINDS = {
    "desktop": DESKTOPS,
    "mobile": PHONES,
    "tablet": TABLETS,
    "tv": TELEVISIONS,
    "bot": BOTS,
    None: PROGRAMS,
}
CLIENTS = [
    (user_agent, Client(browser, os, device))
    for device, known in KINDS.items()
    for user_agent, browser, os in known
]


@pytest.mark.parametrize(("user_agent", "client"), CLIENTS)
def test_a_user_agent_is_read_as_site_owners_would(user_agent: str, client: Client) -> None:
    assert client_from(user_agent) == client


@pytest.mark.parametrize("user_agent", [None, ""])
def test_no_user_agent_tells_nothing(user_agent: str | None) -> None:
    assert client_from(user_agent) == (None, None, None)


def test_a_name_that_the_client_chose_is_cut() -> None:
    app = client_from("A" * 100 + "/1 CFNetwork/1408.0.4 Darwin/22.5.0")
    assert app == ("A" * MAX_CLIENT, "iOS", "mobile")


@given(st.one_of(st.text(), st.text(alphabet=st.characters(categories=["Cs", "Cc", "L"]))))
@example("Mozilla/5.0 (Linux; Android 10; \ud800) Chrome/1.2")
@example("\0bot/1.0")
def test_whatever_is_sent_is_read(user_agent: str) -> None:
    browser, os, device = client_from(user_agent)
    for name in (browser, os):
        assert name is None or 0 < len(name) <= MAX_CLIENT
        assert set(name or "") & {"\0"} <= set(user_agent)
        assert not any("\ud800" <= c <= "\udfff" for c in name or "")
    assert device in {"desktop", "mobile", "tablet", "tv", "bot", None}
