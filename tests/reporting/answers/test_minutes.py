"""Page views by the minute, as clients of event-analytics ask for them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from ingestion.protocols.posted import OTHER_NAMES
from ingestion.reading.schema import EventIds, Visit, event_from
from reporting.app import create_app
from shared.settings import Settings
from tests.events import NOW, make_event
from tests.reporting.conftest import Store

MINUTE = 60_000
THIS_MINUTE = NOW - NOW % MINUTE


def per_minute(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/analytics/page_views_per_minute?{query}").get_json()
    assert list(answer) == ["page_views_per_minute"]
    minutes: list[dict[str, Any]] = answer["page_views_per_minute"]
    return minutes


def test_minutes_are_listed_in_order_with_the_empty_ones(
    reports: FlaskClient, store: Store
) -> None:
    store(
        make_event(1, timestamp=THIS_MINUTE),
        make_event(2, timestamp=THIS_MINUTE - 1),
        make_event(3, timestamp=THIS_MINUTE - 1, user_id="v"),
        make_event(4, timestamp=THIS_MINUTE - 2, user_id=None),
        make_event(5, timestamp=THIS_MINUTE - 3, user_id="w", event_type="signup"),
        make_event(6, timestamp=THIS_MINUTE - 5 * MINUTE),
        make_event(7, timestamp=THIS_MINUTE - 5 * MINUTE - 1),
    )
    assert per_minute(reports) == [
        {"minute_timestamp": f"2025-11-15T09:{minute}:00Z", "count": views, "unique_users": users}
        for minute, views, users in [
            (41, 1, 1),
            (42, 0, 0),
            (43, 0, 0),
            (44, 0, 0),
            (45, 3, 2),
            (46, 1, 1),
        ]
    ]


def test_as_many_minutes_back_as_asked_for(reports: FlaskClient, store: Store) -> None:
    store(make_event(1, timestamp=THIS_MINUTE - 1440 * MINUTE))
    assert [m["minute_timestamp"] for m in per_minute(reports, "minutes=1")] == [
        "2025-11-15T09:45:00Z",
        "2025-11-15T09:46:00Z",
    ]
    day = per_minute(reports, "minutes=1440")
    assert len(day) == 1441
    assert day[0] == {"minute_timestamp": "2025-11-14T09:46:00Z", "count": 1, "unique_users": 1}


def test_views_per_minute_are_of_all_sites_or_of_one(reports: FlaskClient, store: Store) -> None:
    store(make_event(1), make_event(2, site_id="site-b"), make_event(3, site_id="site-b"))

    def last(query: str) -> tuple[int, int]:
        minute = per_minute(reports, query)[-1]
        return minute["count"], minute["unique_users"]

    assert last("") == (3, 1)  # a user_id is one user wherever it is
    assert last("site_id=site-b") == (2, 1)
    assert last("site_id=site-c") == (0, 0)


def bucket(client: FlaskClient, key: str, query: str = "") -> int:
    answer = client.get(f"/analytics/minute-buckets/{quote(key)}?{query}")
    assert answer.status_code == 200, answer.get_json()
    assert list(answer.get_json()) == ["bucket_key", "count"]
    assert answer.get_json()["bucket_key"] == key
    return int(answer.get_json()["count"])


def test_a_bucket_is_a_type_in_a_minute(reports: FlaskClient, store: Store) -> None:
    store(
        make_event(1, timestamp=THIS_MINUTE),
        make_event(2, timestamp=THIS_MINUTE + MINUTE - 1),
        make_event(3, timestamp=THIS_MINUTE - 1),
        make_event(4, timestamp=THIS_MINUTE + MINUTE),
        make_event(5, timestamp=THIS_MINUTE, event_type="a/b_2"),
        make_event(6, timestamp=THIS_MINUTE, site_id="site-b"),
        make_event(7, timestamp=THIS_MINUTE, event_type="two\nlines"),
    )
    assert bucket(reports, "page_view_2025-11-15_09:46") == 3
    assert bucket(reports, "page_view_2025-11-15_09:46", "site_id=site-b") == 1
    assert bucket(reports, "page_view_2025-11-15_09:45") == 1
    assert bucket(reports, "a/b_2_2025-11-15_09:46") == 1
    assert bucket(reports, "two\nlines_2025-11-15_09:46") == 1
    assert bucket(reports, "Page_View_2025-11-15_09:46") == 0
    assert bucket(reports, "page_view_2025-11-15_09:44") == 0


def test_a_bucket_is_known_by_the_old_name_of_its_type(reports: FlaskClient, store: Store) -> None:
    store(make_event(1))
    assert bucket(reports, "pageview_2025-11-15_09:46") == 1


@pytest.fixture
def much_later(reporting_settings: Settings, store: Store) -> Iterator[FlaskClient]:
    app = create_app(reporting_settings, clock=lambda: NOW + 400 * 86_400_000)
    yield app.test_client()
    app.close()


def test_a_bucket_is_still_there_when_its_five_minutes_are_over(
    much_later: FlaskClient, store: Store
) -> None:
    store(make_event(1))
    assert bucket(much_later, "page_view_2025-11-15_09:46") == 1


def test_a_timestamp_with_an_offset_is_counted_in_its_utc_minute(
    reports: FlaskClient, store: Store
) -> None:
    """event-analytics counts this view at 15:15."""
    sent = {
        "event_type": "page_view",
        "user_id": "u",
        "timestamp": "2025-11-15T15:15:30+05:30",
        "payload": {"page_url": "https://shop.example/cart"},
    }
    visit = Visit(received_at=NOW, default_site_id="home")
    store(event_from(sent, visit, EventIds(), OTHER_NAMES))
    assert bucket(reports, "page_view_2025-11-15_09:45") == 1
    assert bucket(reports, "page_view_2025-11-15_15:15") == 0
    assert per_minute(reports)[-2]["count"] == 1
