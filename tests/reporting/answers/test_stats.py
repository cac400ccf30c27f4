"""What /stats and /sites answer beside the numbers, which test_exactness.py is about."""

from sqlalchemy import Engine

from reporting.ask.query import Query
from shared.sites.stored import create_site
from tests.events import NOW, make_event
from tests.reporting.asked import fetch_sites, fetch_stats, stats_query_from
from tests.reporting.conftest import Store

DAY_MS = 86_400_000


def ask(**parameters: str) -> Query:
    given = {name.rstrip("_"): [value] for name, value in parameters.items()}
    return stats_query_from({"site_id": ["site-a"]} | given, NOW)


def test_a_comparison_tells_the_days_before_and_the_difference(
    reading: Engine, store: Store
) -> None:
    store(
        make_event(1, timestamp=NOW - DAY_MS, user_id="a"),
        make_event(2, timestamp=NOW - DAY_MS, user_id="b"),
        make_event(3, timestamp=NOW - DAY_MS, user_id="b", event_type="signup"),
        make_event(4, timestamp=NOW, user_id="a"),
    )
    answer = fetch_stats(reading, ask(date="2025-11-15", compare="previous"))
    assert answer["previous"] == {
        "date": "2025-11-14",
        "total_views": 2,
        "unique_users": 2,
        "total_events": 3,
    }
    assert answer["change"] == {"total_views": -1, "unique_users": -1, "total_events": -2}
    assert "previous" not in fetch_stats(reading, ask(date="2025-11-15"))


def test_an_unknown_site_has_zeros_and_no_paths(reading: Engine) -> None:
    answer = fetch_stats(reading, stats_query_from({"site_id": ["nowhere"]}, NOW))
    assert answer == {
        "site_id": "nowhere",
        "date": "2025-11-15",
        "total_views": 0,
        "unique_users": 0,
        "top_paths": [],
        "total_events": 0,
    }


def test_sites_are_listed_with_first_and_last_event(reading: Engine, store: Store) -> None:
    store(
        make_event(1, site_id="b", timestamp=NOW),
        make_event(2, site_id="a", timestamp=NOW - 1),
        make_event(3, site_id="a", timestamp=NOW + 1000, event_type="signup"),
    )
    assert fetch_sites(reading, NOW)["sites"] == [
        {
            "site_id": "a",
            "first_event": "2025-11-15T09:46:39.999Z",
            "last_event": "2025-11-15T09:46:41Z",
            "total_events": 2,
            "total_views": 1,
        },
        {
            "site_id": "b",
            "first_event": "2025-11-15T09:46:40Z",
            "last_event": "2025-11-15T09:46:40Z",
            "total_events": 1,
            "total_views": 1,
        },
    ]


def test_sites_that_are_registered_are_told_with_their_names(
    reading: Engine, writing: Engine, store: Store
) -> None:
    store(*(make_event(number, site_id=name) for number, name in enumerate("abc")))
    create_site(writing, "a", {"name": "Der Lädchen ☕"}, NOW)
    create_site(writing, "b", {"aliases": ["7"]}, NOW)
    create_site(writing, "without-events", {"name": "New"}, NOW)
    told = fetch_sites(reading, NOW)["sites"]
    assert [(site["site_id"], site.get("name")) for site in told] == [
        ("a", "Der Lädchen ☕"),
        ("b", None),
        ("c", None),
    ]
