"""Routes that answer for all sites, where there are very many."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from shared.db import sqlite
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting.asked import fetch_sites
from tests.reporting.conftest import Store

OF_ALL_SITES = [
    "/metrics/active-users",
    "/metrics/page-views",
    "/metrics/user-sessions/user",
    "/analytics",
    "/analytics?uniqueId=user",
    "/analytics/page_views_per_minute",
    "/analytics/minute-buckets/page_view_2025-11-15_09:46",
]


def test_more_sites_than_a_statement_takes_variables_are_answered_for_as_few_are(
    reports: FlaskClient, store: Store, writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b'", 'c"', "d\\", "ü", "🚀"]
    store(*(make_event(n, site_id=name, session_id=name) for n, name in enumerate(names)))
    merge(writing)
    store(*(make_event(n, site_id=name, timestamp=NOW - 1) for n, name in enumerate(names[2:])))
    few = [reports.get(route).get_json() for route in OF_ALL_SITES]
    assert few[0] == [{"user_id": "user", "events": 10}]
    monkeypatch.setattr(sqlite, "MAX_VARIABLES", 5)
    assert [reports.get(route).get_json() for route in OF_ALL_SITES] == few


def test_sites_come_in_parts_in_order_merged_or_not(
    reading: Engine, store: Store, writing: Engine
) -> None:
    merged, waiting = ["A", "a", "b ", "ü", "🚀"], ["B", "a", "b", "z", "🚀"]
    store(*(make_event(n, site_id=name) for n, name in enumerate(merged)))
    merge(writing)
    store(*(make_event(n + 10, site_id=name) for n, name in enumerate(waiting)))
    everything = fetch_sites(reading, NOW)
    assert list(everything) == ["sites"]
    names = [site["site_id"] for site in everything["sites"]]
    assert names == sorted({*merged, *waiting})
    assert [site["total_events"] for site in everything["sites"]] == [
        (name in merged) + (name in waiting) for name in names
    ]
    parts, asked = [], {"limit": "3"}
    while True:
        part = fetch_sites(reading, NOW, **asked)
        parts.append(part["sites"])
        if "next_cursor" not in part:
            break
        asked["cursor"] = part["next_cursor"]
    assert parts == [everything["sites"][:3], everything["sites"][3:6], everything["sites"][6:]]
    for site in everything["sites"]:
        assert fetch_sites(reading, NOW, site_id=site["site_id"]) == {"sites": [site]}
    assert fetch_sites(reading, NOW, site_id="none") == {"sites": []}
