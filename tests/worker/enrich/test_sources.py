"""Referrers as browsers, apps and people send them, and the source each stands for."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.fields import MAX_NAME
from worker.enrich.sources import source_from

SOURCES = [
    ("https://news.ycombinator.com/item?id=1", "news.ycombinator.com"),
    ("http://WWW.Example.ORG./a", "example.org"),
    ("https://user:pw@example.org:8443/", "example.org"),
    ("//example.org/a", "example.org"),
    ("https://müller.de/", "müller.de"),
    ("https://xn--mller-kva.de/", "müller.de"),
    ("https://www.xn--i-7iq.ws/", "xn--i-7iq.ws"),
    ("https://partner.example\\@evil.example/", "partner.example"),
    ("https://partner.example%2e/", "partner.example"),
    ("https:///example.org/a", "example.org"),
    ("http://[2001:DB8::1]:80/", "2001:db8::1"),
    ("https://www.google.com/", "google.com"),
    ("https://www.google.de/search?q=a", "google.com"),
    ("https://google.co.uk", "google.com"),
    ("https://www.google.com.br/", "google.com"),
    ("https://news.google.com/", "news.google.com"),
    ("https://google.de.example.org/", "google.de.example.org"),
    ("https://l.facebook.com/l.php?u=a", "facebook.com"),
    ("https://lm.facebook.com/", "facebook.com"),
    ("https://m.facebook.com/", "facebook.com"),
    ("https://out.reddit.com/t3_1", "reddit.com"),
    ("https://old.reddit.com/r/a", "reddit.com"),
    ("https://t.co/abc", "twitter.com"),
    ("https://x.com/", "twitter.com"),
    ("https://mobile.twitter.com/", "twitter.com"),
    ("https://mobile.de/", "mobile.de"),
    ("https://www.com/", "www.com"),
    ("android-app://com.google.android.gm/", "com.google.android.gm"),
    ("ios-app://544007664/vnd.youtube", "544007664"),
    ("newsletter", "newsletter"),
    (" Spring mail ", "Spring mail"),
    ("see https://example.org/", "see https://example.org/"),
]
NOTHING = [
    None,
    "",
    " ",
    "http://",
    "https:///",
    "file:///home/me/page.html",
    "http://...",
    "http://[",
    "http://exa\N{ACCOUNT OF}mple.com/",
]


@pytest.mark.parametrize(("referrer", "source"), SOURCES)
def test_a_referrer_is_known_by_its_host(referrer: str, source: str) -> None:
    assert source_from(referrer, "site-1") == source


@pytest.mark.parametrize("referrer", NOTHING)
def test_what_names_nobody_is_no_source(referrer: str | None) -> None:
    assert source_from(referrer, "site-1") is None


@pytest.mark.parametrize("port", ["x", "99999", "-1"])
def test_with_a_port_that_no_browser_takes_there_is_no_source(port: str) -> None:
    assert source_from(f"http://example.org:{port}/", "site-1") is None


def test_a_missing_port_does_not_hide_the_host() -> None:
    assert source_from("http://example.org:/", "site-1") == "example.org"


@pytest.mark.parametrize("site_id", ["example.org", "www.example.org", "Example.org"])
@pytest.mark.parametrize("host", ["example.org", "www.example.org", "m.example.org", "EXAMPLE.org"])
def test_a_site_is_no_source_of_its_own_visitors(host: str, site_id: str) -> None:
    assert source_from(f"https://{host}/a", site_id) is None


@pytest.mark.parametrize("site_id", ["müller.de", "xn--mller-kva.de", "www.Müller.de:8080"])
@pytest.mark.parametrize("host", ["müller.de", "www.xn--mller-kva.de", "m.müller.de"])
def test_a_site_is_known_by_either_form_of_its_name(host: str, site_id: str) -> None:
    assert source_from(f"https://{host}/a", site_id) is None


def test_another_host_of_the_same_domain_is_a_source() -> None:
    assert source_from("https://blog.example.org/", "example.org") == "blog.example.org"


@pytest.mark.parametrize("referrer", ["y" * 300, f"https://{'y' * 300}/"])
def test_a_source_is_cut_to_its_column(referrer: str) -> None:
    assert source_from(referrer, "site-1") == "y" * MAX_NAME


anything = st.text(alphabet=st.characters(categories=["Cs", "Cc", "L", "N", "P", "S", "Z"]))
urls = st.builds("{}://{}".format, st.sampled_from(["http", "https", "android-app"]), anything)


@given(st.one_of(st.text(), anything, urls), st.text())
@example("http://[::1", "")
@example("http://]", "")
@example("http://\ud800/", "")
def test_whatever_is_sent_resolves(referrer: str, site_id: str) -> None:
    source = source_from(referrer, site_id)
    assert source is None or 0 < len(source) <= MAX_NAME
    for odd in "\0\ud800":
        assert odd not in (source or "") or odd in referrer


@pytest.mark.parametrize(
    ("referrer", "hostname"),
    [
        ("https://blog.example/b", "blog.example"),
        ("https://www.blog.example/b", "blog.example"),
        ("https://blog.example:8443/b", "www.blog.example"),
        ("//blog.example/b", "blog.example"),
        ("https://m.blog.example/b", "blog.example"),
        ("https://xn--mnchen-3ya.de/", "m\u00fcnchen.de"),
        ("https://M\u00dcNCHEN.de/", "www.m\u00fcnchen.de"),
    ],
)
def test_the_host_that_shows_the_page_is_no_source(referrer: str, hostname: str) -> None:
    """Whatever the site is called; a site_id need not be a host."""
    assert source_from(referrer, "my-blog", hostname) is None
    assert source_from(referrer, "my-blog") is not None
    assert source_from(referrer, hostname) is None


def test_another_host_is_a_source_and_the_sites_own_name_never() -> None:
    assert source_from("https://shop.example/", "my-blog", "blog.example") == "shop.example"
    assert source_from("https://shop.example/", "shop.example", "blog.example") is None
