"""Pages, referrers and site_ids as they come, and the hosts that browsers would read in them."""

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.fields import MAX_NAME
from shared.urls import (
    host_from,
    is_absolute,
    page_host,
    parsed_host,
    site_from,
)

HOSTS = [
    ("https://example.com/blog/post-1?x=1#y", "example.com"),
    ("HTTP://EXAMPLE.COM/Blog", "example.com"),
    ("https://example.com", "example.com"),
    ("https://example.com?next=https://other.example/", "example.com"),
    ("https://example.com#@other.example/", "example.com"),
    ("https://user:pass@example.com:8443/", "example.com"),
    ("https://user@example.org@example.com/", "example.com"),
    ("https://example.com:/", "example.com"),
    ("https://example.com./", "example.com"),
    ("https://example.com.../", "example.com"),
    ("https://partner.example%2e/", "partner.example"),
    ("https://%65xample.com/", "example.com"),
    ("https://partner.example\\@evil.example/", "partner.example"),
    ("https://example.com\\path", "example.com"),
    ("https:///example.com/path", "example.com"),
    ("https://\\\t/\nexample.com/path", "example.com"),
    ("https://exa\tmp\r\nle.com/", "example.com"),
    ("https://localhost:3000/", "localhost"),
    ("https://under_score.example/", "under_score.example"),
    ("http://127.1/", "127.0.0.1"),
    ("http://0x7f000001/", "127.0.0.1"),
    ("http://[2001:DB8:0::1]:80/", "2001:db8::1"),
    ("https://münchen.de/", "münchen.de"),
    ("https://MÜNCHEN.de/", "münchen.de"),
    ("https://mu\N{COMBINING DIAERESIS}nchen.de/", "münchen.de"),
    ("https://m%C3%BCnchen.de/", "münchen.de"),
    ("https://xn--mnchen-3ya.de/", "münchen.de"),
    ("https://XN--Mnchen-3YA.de/", "münchen.de"),
    ("https://www.xn--fa-hia.example/", "www.faß.example"),
    ("https://例え。テスト/", "例え.テスト"),
    ("https://i❤.ws/", "xn--i-7iq.ws"),
    ("https://xn--i-7iq.xn--mnchen-3ya.ws/", "xn--i-7iq.münchen.ws"),
    ("https://xn--.xn--a.example/", "xn--.xn--a.example"),
    (f"https://{'y' * 300}/", "y" * MAX_NAME),
    (f"https://{'y' * 254}.z/", "y" * 254),
    ("https://example.com/" + "é" * 100_000, "example.com"),
    ("https://example.com/\0\ud800", "example.com"),
]
NO_HOSTS = [
    "https://",
    "https://?",
    "https://...",
    "https:///",
    "http://[",
    "http://[::1",
    "http://]",
    "http://[::1]x/",
    "http://256.0.0.1/",
    "https://exa mple.com/",
    "https://exa\0mple.com/",
    "https://exa\N{ACCOUNT OF}mple.com/",
    "https://example.com:x/",
    "https://example.com:65536/",
    "https://\ud800/",
    "https://" + "y" * 1_000_000,
    "https://" + "例え" * 100_000 + "/",
    "https://" + "/" * 100_000 + "example.com/",
]
NO_PAGES = [
    "",
    "/",
    "/pricing",
    "pricing",
    "?a=https://example.com/",
    "//example.com/",
    "/redirect/https://example.com/x",
    "ftp://example.com/file",
    "https:example.com",
    "http\N{LATIN SMALL LETTER LONG S}://example.com/",
    " https://example.com/",
    "x" * 1_000_000,
]
OTHER_SCHEMES = [
    ("android-app://com.google.android.gm/", "com.google.android.gm"),
    ("android-app://com.Example.App_1/https/example.com", "com.example.app_1"),
    ("ios-app://544007664/vnd.youtube", "544007664"),
    ("ftp://User@Example.com:21/file", "example.com"),
    ("file:///home/me/page.html", None),
    ("android-app:///path", None),
    ("android-app:com.example", None),
    ("//example.com/", None),
    ("1st://example.com/", None),
    ("x" * 1_000_000 + "://example.com/", None),
]


@pytest.mark.parametrize(("page", "host"), HOSTS)
def test_a_host_is_read_as_a_browser_reads_it(page: str, host: str) -> None:
    assert page_host(page) == host_from(page) == host


@pytest.mark.parametrize("page", NO_HOSTS)
def test_where_a_browser_finds_no_host_there_is_none(page: str) -> None:
    assert is_absolute(page)
    assert page_host(page) is None
    assert host_from(page) is None


@pytest.mark.parametrize("page", NO_PAGES)
def test_a_path_has_no_host(page: str) -> None:
    assert not is_absolute(page)
    assert page_host(page) is None


@pytest.mark.parametrize(("url", "host"), OTHER_SCHEMES)
def test_an_app_is_named_where_a_host_would_stand(url: str, host: str | None) -> None:
    assert host_from(url) == host


@pytest.mark.parametrize(
    "page", ["https://" + "例" * 513 + "/", "https://" + "/" * 9 + "a.example"]
)
def test_only_short_heads_are_parsed_and_kept(page: str) -> None:
    before = parsed_host.cache_info()
    assert host_from(page) is page_host(page) is None
    assert host_from(f"{'x' * 64}://example.com/") is None
    assert parsed_host.cache_info() == before


def is_same_site(one: str, other: str) -> bool:
    return site_from(one) == site_from(other)


SAME = [
    ("example.com", "example.com"),
    ("example.com", "www.example.com"),
    ("WWW.Example.com", "example.com:8080"),
    ("example.com", "example.com."),
    ("münchen.de", "xn--mnchen-3ya.de"),
    ("www.xn--mnchen-3ya.de:443", "MÜNCHEN.de"),
    ("xn--i-7iq.ws", "i❤.ws"),
    ("2001:db8::1", "[2001:DB8:0::1]:8080"),
    ("my-blog", "My-Blog"),
    ("My blog ", "my blog"),
    ("a/b", "A/B"),
]
NOT_SAME = [
    ("example.com", "example.org"),
    ("example.com", "blog.example.com"),
    ("example.com", "m.example.com"),
    ("example.com", "wwwexample.com"),
    ("www.com", "com"),
    ("münchen.de", "munchen.de"),
    ("my-blog", "my-shop"),
    # Sites that share a host: its name is not theirs.
    ("example.com", "example.com/blog"),
    ("example.com", "ann@example.com"),
    ("example.com", "example.com?a"),
    ("example.com", "example.com#a"),
    ("example.com", "example.com\\a"),
    ("example.com", ""),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_site_has_many_spellings(one: str, other: str) -> None:
    assert is_same_site(one, other)
    assert is_same_site(other, one)


@pytest.mark.parametrize(("one", "other"), NOT_SAME)
def test_other_hosts_are_other_sites(one: str, other: str) -> None:
    assert not is_same_site(one, other)
    assert not is_same_site(other, one)


# Separators, dots, digits, and what names in other scripts are mapped, encoded and checked by.
MARKS = "/\\?#@:[]%.-_\t\n\r \0\ud800\x7f。1Aüéßא\u0301\u200d\U0001d51e"
WORDS = ["xn--", "xn--mnchen-3ya", "%2e", "%c3%bc", "::1", "0x7f", "80", "www."]
anything = st.text() | st.lists(st.sampled_from([*MARKS, *WORDS]), max_size=12).map("".join)
urls = st.builds("{}://{}".format, st.sampled_from(["https", "HTTP", "ftp", "file"]), anything)
app_urls = anything.map("android-app://".__add__)


@given(anything | urls | app_urls)
def test_whatever_is_sent_is_read(url: str) -> None:
    host = host_from(url)
    assert host is None or 0 < len(host) <= MAX_NAME
    assert host is None or (host == host.lower() and host[-1] != "." and "\0" not in host)
    assert page_host(url) == (host if is_absolute(url) else None)


@given(urls.filter(lambda url: "\ud800" not in url))
@example("https://\t/a.example/b")
@example("https://a.example /b")
@example("file:////a.example/b")
def test_what_follows_the_host_changes_nothing(url: str) -> None:
    assert host_from(url) == parsed_host(url)


@given(anything, anything)
def test_any_two_names_are_compared(one: str, other: str) -> None:
    assert is_same_site(one, one)
    assert is_same_site(one, other) == is_same_site(other, one)


labels = st.text(alphabet="ab0üéж例の", min_size=1, max_size=12).map("a{}".format)


@given(st.lists(labels, min_size=2, max_size=4).map(".".join))
def test_a_site_has_one_name_in_every_spelling(host: str) -> None:
    encoded = idna.encode(host).decode()
    assert host_from(f"https://{encoded}/") == host_from(f"https://{host}/") == host
    for spelling in (encoded, f"www.{encoded}:8080", f"WWW.{host.upper()}."):
        assert site_from(spelling) == host
        assert is_same_site(spelling, host)
