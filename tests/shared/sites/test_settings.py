"""What may be set for a site, and in which form it is kept."""

from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.fields import MAX_NAME, MAX_TEXT
from shared.sites.settings import (
    MOST_ENTRIES,
    NAMES,
    NOTHING_SET,
    SiteSettings,
    check_site_id,
    decode_settings,
    encode_settings,
    settings_from,
)

EVERY_WEEK = SiteSettings(visitor_period="week")
EVERYTHING = {
    "name": "The shop",
    "aliases": ["7", "G-123"],
    "hosts": ["Shop.example:8080", "*.shop.example.", "xn--mnchen-3ya.de"],
    "excluded_paths": ["/admin/*", "*.json"],
    "excluded_addresses": [
        "203.0.113.7",
        "2001:db8::1/32",
        "10.0.0.9/8",
        "::ffff:192.0.2.1",
        "::ffff:198.51.100.0/120",
        "fe80::1%eth0",
    ],
    "excluded_users": ["owner"],
    "kept_parameters": ["p", "page_id"],
    "events_per_second": 500,
    "time_zone": "Australia/Lord_Howe",
    "week_start": "saturday",
    "currency": " eur",
    "public": True,
    "visitor_period": "week",
    "raw_data_age": 30,
}


def test_what_is_set_is_kept_in_one_form() -> None:
    settings = settings_from(EVERYTHING)
    assert settings == SiteSettings(
        name="The shop",
        aliases=("7", "G-123"),
        hosts=("shop.example", "*.shop.example", "münchen.de"),
        excluded_paths=("/admin/*", "*.json"),
        excluded_addresses=(
            "203.0.113.7/32",
            "2001:db8::/32",
            "10.0.0.0/8",
            "192.0.2.1/32",
            "198.51.100.0/24",
            "fe80::1/128",
        ),
        excluded_users=("owner",),
        kept_parameters=("p", "page_id"),
        events_per_second=500,
        time_zone="Australia/Lord_Howe",
        week_start="saturday",
        currency="EUR",
        public=True,
        visitor_period="week",
        raw_data_age=30,
    )
    assert set(EVERYTHING) == set(NAMES)
    assert decode_settings(encode_settings(settings)) == settings


def test_what_is_not_given_stays_and_what_is_empty_goes() -> None:
    before = settings_from({"name": "A", "aliases": ["a", "b", "a"]})
    assert before.aliases == ("a", "b")
    assert settings_from({"name": "B"}, before) == SiteSettings(name="B", aliases=("a", "b"))
    assert settings_from({"name": "", "aliases": []}, before) == NOTHING_SET
    for none in ("", " ", "day"):
        assert settings_from({"visitor_period": none}, EVERY_WEEK) == NOTHING_SET
    limited = settings_from({"events_per_second": 0})
    assert limited != NOTHING_SET
    kept = settings_from({"raw_data_age": 0})
    assert kept != settings_from({"raw_data_age": None}, kept) == NOTHING_SET
    assert settings_from({"events_per_second": None}, limited) == NOTHING_SET
    told = settings_from({"time_zone": "Asia/Kolkata", "week_start": "sunday", "currency": "INR"})
    assert (told.time_zone, told.week_start, told.currency) == ("Asia/Kolkata", "sunday", "INR")
    assert settings_from({"time_zone": "", "week_start": "", "currency": ""}, told) == NOTHING_SET
    assert settings_from({"public": False}, settings_from({"public": True})) == NOTHING_SET


def test_what_a_later_version_has_set_is_read() -> None:
    assert decode_settings(b'{"name":"A","of_later":[1]}') == SiteSettings(name="A")


def test_of_what_an_earlier_version_has_set_the_rest_is_as_it_was_then() -> None:
    kept = decode_settings(encode_settings(settings_from({"name": "A"})))
    assert encode_settings(kept) == b'{"name":"A"}'
    assert (kept.time_zone, kept.week_start) == ("", "monday")
    assert (kept.currency, kept.public) == ("", False)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("name", "x" * (MAX_NAME + 1), "at most 255 characters"),
        ("name", "a\nb", "control characters"),
        ("name", 7, "must be a text"),
        ("aliases", "shop", "must be a list"),
        ("events_per_second", -1, "a number from 0 to 1000000"),
        ("events_per_second", 1_000_001, "a number from 0 to 1000000"),
        ("events_per_second", True, "a number from 0 to 1000000"),
        ("events_per_second", "7", "a number from 0 to 1000000"),
        ("raw_data_age", -1, "a number from 0 to 36500, or null"),
        ("raw_data_age", 36_501, "a number from 0 to 36500, or null"),
        ("raw_data_age", 1.5, "a number from 0 to 36500, or null"),
        ("visitor_period", "year", "one of day, week, month"),
        ("visitor_period", 7, "one of day, week, month"),
        ("visitor_period", ["week"], "one of day, week, month"),
        ("aliases", [" "], "not empty"),
        ("aliases", [f"a{n}" for n in range(MOST_ENTRIES + 1)], "at most 100 entries"),
        ("hosts", ["shop.example/path"], "is no host"),
        ("hosts", ["*"], "is no host"),
        ("hosts", ["a.*.example"], "is no host"),
        ("excluded_paths", ["admin"], "must begin with /"),
        ("excluded_paths", ["/" + "x" * MAX_TEXT], "at most 2048"),
        ("excluded_addresses", ["203.0.113.256"], "is no IP address"),
        ("excluded_addresses", ["203.0.113.0/33"], "is no IP address"),
        ("excluded_users", [None], "must be a text"),
        ("kept_parameters", ["p=1"], "is no name of a parameter"),
        ("kept_parameters", ["é"], "is no name of a parameter"),
        ("time_zone", "Mars/Olympus", "must be an IANA time zone"),
        ("time_zone", "../etc/passwd", "must be an IANA time zone"),
        ("time_zone", ["UTC"], "must be an IANA time zone"),
        ("time_zone", "localtime", "must be an IANA time zone"),
        ("week_start", "tuesday", "must be one of monday, sunday, saturday"),
        ("week_start", 0, "must be one of"),
        ("currency", "EURO", "must be a code of ISO 4217"),
        ("currency", "XXX", "must be a code of ISO 4217"),
        ("currency", 978, "must be a code of ISO 4217"),
        ("public", "yes", "must be true or false"),
        ("public", 1, "must be true or false"),
        ("time", "x", "is no setting of a site: there are name, aliases"),
    ],
)
def test_what_cannot_be_set_is_refused_by_its_name(name: str, value: Any, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        settings_from({name: value})
    assert refused.value.field == name
    assert name in refused.value.message


@pytest.mark.parametrize("site_id", ["", " ", "a\x00", "x" * (MAX_NAME + 1)])
def test_a_site_needs_a_name_that_events_can_have(site_id: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_site_id(site_id)
    assert refused.value.field == "site_id"
