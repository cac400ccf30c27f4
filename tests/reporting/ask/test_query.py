"""How the parameters of /stats are read, and what is refused."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from reporting.ask.query import Query
from shared.errors import InvalidInput
from tests.events import NOW
from tests.reporting.asked import breakdown_query_from, series_query_from, stats_query_from


def parse(**parameters: str) -> Query:
    given = {name.rstrip("_"): [value] for name, value in parameters.items()}
    return stats_query_from({"site_id": ["s"]} | given, NOW)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_the_default_is_today_in_utc() -> None:
    query = parse()
    assert query.first_day == query.last_day == date(2025, 11, 15)
    assert (query.start, query.end) == (ms("2025-11-15T00:00Z"), ms("2025-11-16T00:00Z"))
    assert (query.limit, query.views_type, query.users_type) == (10, "page_view", None)


def test_today_depends_on_the_zone() -> None:
    assert parse(tz="Pacific/Kiritimati").first_day == date(2025, 11, 15)
    asked = {"site_id": ["s"], "tz": ["Pacific/Kiritimati"]}
    early = stats_query_from(asked, ms("2025-11-15T12:00Z"))
    assert early.first_day == date(2025, 11, 16)


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("Asia/Kolkata", "2025-11-15", "2025-11-14T18:30Z", "2025-11-15T18:30Z"),
        # 25 and 23 hours, where clocks change.
        ("Europe/Berlin", "2025-10-26", "2025-10-25T22:00Z", "2025-10-26T23:00Z"),
        ("Europe/Berlin", "2025-03-30", "2025-03-29T23:00Z", "2025-03-30T22:00Z"),
        # Midnight does not exist: the day begins at 01:00 local.
        ("Africa/Cairo", "2025-04-25", "2025-04-24T22:00Z", "2025-04-25T21:00Z"),
        # Midnight exists twice: the day begins at the first.
        ("America/Havana", "2025-11-02", "2025-11-02T04:00Z", "2025-11-03T05:00Z"),
    ],
)
def test_days_begin_at_local_midnight(zone: str, day: str, start: str, end: str) -> None:
    query = parse(tz=zone, date=day)
    assert datetime.fromtimestamp(query.start / 1000, UTC) == datetime.fromisoformat(start)
    assert datetime.fromtimestamp(query.end / 1000, UTC) == datetime.fromisoformat(end)


def test_from_and_to_are_both_included_and_to_is_today_if_absent() -> None:
    query = parse(from_="2025-11-01", to="2025-11-02")
    assert (query.start, query.end) == (ms("2025-11-01T00:00Z"), ms("2025-11-03T00:00Z"))
    assert parse(from_="2025-11-01").last_day == date(2025, 11, 15)


def test_event_type_narrows_and_all_widens() -> None:
    signup, every = parse(event_type="signup"), parse(event_type="all")
    alias = parse(event_type="pageview")
    assert (signup.views_type, signup.users_type) == ("signup", "signup")
    assert (every.views_type, every.users_type) == (None, None)
    assert (alias.views_type, alias.users_type) == ("page_view", "page_view")


@pytest.mark.parametrize(
    ("parameters", "code", "field"),
    [
        ({}, "missing_field", "site_id"),
        ({"site_id": [""]}, "missing_field", "site_id"),
        ({"site_id[$ne]": ["x"]}, "unknown_parameter", "site_id[$ne]"),
        ({"site_id": ["a", "b"]}, "repeated_parameter", "site_id"),
        ({"site_id": ["s" * 256]}, "too_long", "site_id"),
        ({"site_id": ["s"], "date": ["2025-13-01"]}, "bad_date", "date"),
        ({"site_id": ["s"], "date": ["yesterday"]}, "bad_date", "date"),
        ({"site_id": ["s"], "date": ["20251115"]}, "bad_date", "date"),
        ({"site_id": ["s"], "date": ["1969-12-31"]}, "bad_date", "date"),
        ({"site_id": ["s"], "date": ["9999-12-31"]}, "bad_date", "date"),
        ({"site_id": ["s"], "from": ["2025-11-16"], "to": ["2025-11-15"]}, "bad_range", "from"),
        ({"site_id": ["s"], "from": ["2025-11-16"]}, "bad_range", "from"),
        ({"site_id": ["s"], "to": ["2025-11-15"]}, "missing_field", "from"),
        ({"site_id": ["s"], "date": ["2025-11-15"], "to": ["2025-11-15"]}, "bad_range", "date"),
        ({"site_id": ["s"], "tz": ["Mars/Olympus"]}, "bad_timezone", "tz"),
        ({"site_id": ["s"], "tz": ["../etc/passwd"]}, "bad_timezone", "tz"),
        ({"site_id": ["s"], "limit": ["0"]}, "bad_limit", "limit"),
        ({"site_id": ["s"], "limit": ["1001"]}, "bad_limit", "limit"),
        ({"site_id": ["s"], "limit": ["-1"]}, "bad_limit", "limit"),
        ({"site_id": ["s"], "limit": ["9" * 5000]}, "bad_limit", "limit"),
        ({"site_id": ["s"], "limit": ["ten"]}, "bad_limit", "limit"),
        ({"site_id": ["s"], "limit": ["\u0661"]}, "bad_limit", "limit"),
        ({"site_id": ["s"], "event_type": ["t" * 256]}, "too_long", "event_type"),
        ({"site_id": ["s"], "site": ["x"]}, "unknown_parameter", "site"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, list[str]], code: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        stats_query_from(parameters, NOW)
    assert (caught.value.code, caught.value.field, caught.value.status) == (code, field, 400)


def test_an_unknown_parameter_is_answered_with_the_nearest_known() -> None:
    with pytest.raises(InvalidInput, match="did you mean limit"):
        parse(limitt="5")


def test_intervals_default_to_what_the_range_can_show() -> None:
    asked = {"site_id": ["s"]}
    assert series_query_from(asked, NOW).interval == "hour"
    assert series_query_from(asked | {"from": ["2025-11-14"]}, NOW).interval == "day"
    assert series_query_from(asked | {"interval": ["week"]}, NOW).interval == "week"


def test_a_breakdown_by_type_counts_every_type() -> None:
    asked = {"site_id": ["s"], "dimension": ["event_type"]}
    assert breakdown_query_from(asked, NOW).views_type is None
    assert breakdown_query_from(asked | {"dimension": ["path"]}, NOW).views_type == "page_view"
    assert breakdown_query_from(asked | {"event_type": ["a"]}, NOW).views_type == "a"


def test_filters_are_read_by_the_names_of_dimensions() -> None:
    query = parse(browser="Firefox", path="/a", utm_source="news")
    assert query.filters == (("path", "/a"), ("utm_source", "news"), ("browser", "Firefox"))


def test_the_previous_range_is_as_many_days_right_before() -> None:
    query = parse(from_="2025-10-25", to="2025-10-27", tz="Europe/Berlin", compare="previous")
    before = query.previous()
    assert query.is_compared
    assert (before.first_day, before.last_day) == (date(2025, 10, 22), date(2025, 10, 24))
    assert (before.start, before.end) == (ms("2025-10-21T22:00Z"), query.start)


@pytest.mark.parametrize(
    ("parse_as", "parameters", "code", "field"),
    [
        (stats_query_from, {"compare": "next"}, "bad_compare", "compare"),
        (stats_query_from, {"compare": "previous", "date": "1970-01-01"}, "bad_range", "compare"),
        (stats_query_from, {"path": "/" * 2049}, "too_long", "path"),
        (stats_query_from, {"dimension": "path"}, "unknown_parameter", "dimension"),
        (series_query_from, {"interval": "year"}, "bad_interval", "interval"),
        (series_query_from, {"format": "xml"}, "bad_format", "format"),
        (series_query_from, {"week_start": "friday"}, "bad_week_start", "week_start"),
        (stats_query_from, {"week_start": "sunday"}, "unknown_parameter", "week_start"),
        (
            series_query_from,
            {"from": "2024-11-16", "to": "2025-11-15", "interval": "minute"},
            "too_many_points",
            "interval",
        ),
        (series_query_from, {"limit": "3"}, "unknown_parameter", "limit"),
        (breakdown_query_from, {}, "missing_field", "dimension"),
        (breakdown_query_from, {"dimension": "user_id"}, "bad_dimension", "dimension"),
        (breakdown_query_from, {"dimension": "path", "format": "xml"}, "bad_format", "format"),
    ],
)
def test_bad_parameters_of_each_route_are_named(
    parse_as: Callable[..., Query], parameters: dict[str, str], code: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_as({"site_id": ["s"]} | {k: [v] for k, v in parameters.items()}, NOW)
    assert (caught.value.code, caught.value.field, caught.value.status) == (code, field, 400)
