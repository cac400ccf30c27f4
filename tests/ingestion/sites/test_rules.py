"""What is set for a site, held against one event."""

import re
import time
from ipaddress import ip_address

import pytest

from ingestion.sites.rules import Excluded, Sender, SiteRules, matching_any
from shared.errors import InvalidInput
from shared.sites.settings import settings_from

SITE = "shop"


def rules(**given: list[str]) -> SiteRules:
    return SiteRules(settings_from(given))


def sender(origin: str | None = None, address: str | None = None) -> Sender:
    return Sender(origin, lambda: ip_address(address) if address else None)


@pytest.mark.parametrize(
    ("origin", "hostname", "is_taken"),
    [
        ("https://shop.example", None, True),
        ("https://SHOP.example:8443", "other.example", True),
        ("http://blog.shop.example", None, True),
        ("https://evilshop.example", None, False),
        ("https://shop.example.evil.example", None, False),
        ("https://other.example", "shop.example", False),
        (None, "shop.example", True),
        (None, "other.example", False),
        (None, None, True),
        ("null", "shop.example", True),
        ("null", "other.example", False),
        ("https://xn--mnchen-3ya.de", None, True),
    ],
)
def test_a_page_elsewhere_may_not_post(
    origin: str | None, hostname: str | None, is_taken: bool
) -> None:
    of = rules(hosts=["shop.example", "*.shop.example", "münchen.de"])
    if is_taken:
        of.check(SITE, sender(origin), hostname, "/", None)
        return
    with pytest.raises(InvalidInput, match="site_id shop takes no events from") as refused:
        of.check(SITE, sender(origin), hostname, "/", None)
    assert (refused.value.code, refused.value.status) == ("host_not_allowed", 403)


def test_below_a_domain_is_not_the_domain() -> None:
    with pytest.raises(InvalidInput):
        rules(hosts=["*.shop.example"]).check(SITE, sender("https://shop.example"), None, "/", None)


@pytest.mark.parametrize(
    ("pattern", "path", "is_meant"),
    [
        ("/admin", "/admin", True),
        ("/admin", "/admin/", False),
        ("/admin*", "/administration/x", True),
        ("/admin/*", "/admin/", True),
        ("/admin/*", "/Admin/x", False),
        ("*/edit", "/page/7/edit", True),
        ("*/edit", "/page/7/edit/", False),
        ("*", "/anything", True),
        ("/a*b*c", "/a-b-b-c-c", True),
        ("/a*b*c", "/a-c-b", False),
        ("/a*b", "/ab", True),
        ("/a.b", "/aXb", False),
        ("/a*b*b", "/ab", False),
        ("/*\n*", "/x\ny", True),
    ],
)
def test_a_star_is_anything(pattern: str, path: str, is_meant: bool) -> None:
    found = matching_any(["/other", pattern])
    assert found is not None
    assert (found.fullmatch(path) is not None) == is_meant
    plain = ".*".join(map(re.escape, pattern.split("*")))
    assert (re.fullmatch(plain, path, re.DOTALL) is not None) == is_meant


def test_no_path_takes_long() -> None:
    found = matching_any(["/" + "*a" * 500 + "*b"] * 20)
    assert found is not None
    started = time.perf_counter()
    assert found.fullmatch("/" + "a" * 2047) is None
    assert time.perf_counter() - started < 1  # looked for again and again, it would never end


@pytest.mark.parametrize(
    ("address", "path", "user_id", "is_left_out"),
    [
        ("203.0.113.7", "/", None, True),
        ("10.1.2.3", "/", None, True),
        ("2001:db8::5", "/", None, True),
        ("203.0.113.8", "/", "visitor", False),
        (None, None, None, False),
        (None, "/admin/x", None, True),
        (None, "/x/admin/", "visitor", False),
        (None, "/", "owner", True),
        (None, "/", "Owner", False),
    ],
)
def test_what_is_left_out(
    address: str | None, path: str | None, user_id: str | None, is_left_out: bool
) -> None:
    of = rules(
        excluded_addresses=["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"],
        excluded_paths=["/admin/*"],
        excluded_users=["owner"],
    )
    if not is_left_out:
        of.check(SITE, sender(None, address), None, path, user_id)
        return
    with pytest.raises(Excluded) as left_out:
        of.check(SITE, sender(None, address), None, path, user_id)
    assert left_out.value.site_id == SITE


def test_nobody_s_address_is_read_where_none_is_excluded() -> None:
    def read() -> None:
        raise AssertionError("the address was read")

    rules(excluded_users=["owner"]).check(SITE, Sender(None, read), None, "/", "visitor")
