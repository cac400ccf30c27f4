"""Events by day, week and month, as clients of analytics-engine ask for them."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from ingestion.protocols.posted import OTHER_NAMES
from ingestion.reading.schema import EventIds, Visit, event_from
from reporting.app import create_app
from shared.event import Event
from shared.settings import Settings
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting.conftest import Store

DAY = 86_400_000
numbers = itertools.count()


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def on(*moments: str, **changes: Any) -> list[Event]:
    """A `login` at each moment."""
    fields = {"event_type": "login"} | changes
    return [make_event(next(numbers), timestamp=ms(m), **fields) for m in moments]


def data(client: FlaskClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/analytics?{query}").get_json()
    assert list(answer) == ["status", "data"]
    assert answer["status"] == 200
    found: dict[str, Any] = answer["data"]
    return found


@pytest.fixture
def new_year(reporting_settings: Settings, store: Store) -> Iterator[FlaskClient]:
    """Reporting on Friday, 2 January 2026, noon."""
    app = create_app(reporting_settings, clock=lambda: ms("2026-01-02T12:00Z"))
    yield app.test_client()
    app.close()


def test_counts_are_overall_and_by_type(reports: FlaskClient, store: Store) -> None:
    store(
        *on("2025-11-15T00:00Z", "2025-11-15T09:00Z", "2025-11-14T23:59:59.999Z"),
        *on("2025-11-15T08:00Z", event_type="buy", user_id=None),
    )
    assert data(reports) == {
        "global": {
            "daily": {"2025-11-14": 1, "2025-11-15": 3},
            "weekly": {"2025-11-09": 4},
            "monthly": {"2025-11": 4},
        },
        "usages": {
            "buy": {
                "daily": {"2025-11-15": 1},
                "weekly": {"2025-11-09": 1},
                "monthly": {"2025-11": 1},
            },
            "login": {
                "daily": {"2025-11-14": 1, "2025-11-15": 2},
                "weekly": {"2025-11-09": 3},
                "monthly": {"2025-11": 3},
            },
        },
    }


def test_keys_are_in_order_and_only_where_something_was_counted(
    reports: FlaskClient, store: Store
) -> None:
    store(*on("2025-11-13T01:00Z", "2025-10-20T01:00Z", event_type="z"), *on("2025-11-15T01:00Z"))
    answer = data(reports)
    assert list(answer["global"]["daily"]) == ["2025-11-13", "2025-11-15"]
    assert list(answer["global"]["weekly"]) == ["2025-10-19", "2025-11-09"]
    assert list(answer["global"]["monthly"]) == ["2025-10", "2025-11"]
    assert list(answer["usages"]) == ["login", "z"]


def test_types_come_in_parts_and_the_overall_counts_stay(
    reports: FlaskClient, store: Store, writing: Engine
) -> None:
    for event_type in ("b", "A", "ü", "a", "b "):
        store(*on("2025-11-14T01:00Z", event_type=event_type, properties={"type": "k"}))
    merge(writing)
    for event_type in ("c", "a", "C"):
        store(*on("2025-11-15T01:00Z", event_type=event_type, properties={"type": "k"}))
    for query in ("", "type=k"):
        whole = reports.get(f"/analytics?{query}").get_json()
        assert list(whole["data"]["usages"]) == ["A", "C", "a", "b", "b ", "c", "ü"]
        listed: dict[str, Any] = {}
        cursor = ""
        for last in ("a", "c", None):
            part = reports.get(f"/analytics?{query}&limit=3&cursor={cursor}").get_json()
            listed |= part["data"]["usages"]
            assert part["data"]["global"] == whole["data"]["global"]
            cursor = part.get("next_cursor")
            assert cursor == last
        assert listed == whole["data"]["usages"]


def test_without_events_the_answer_is_empty(reports: FlaskClient) -> None:
    nothing: dict[str, Any] = {"daily": {}, "weekly": {}, "monthly": {}}
    for query in ("", "site_id=x", "uniqueId=x", "type=x"):
        assert data(reports, query) == {"global": nothing, "usages": {}}


def test_a_lookback_reaches_into_the_day_that_many_days_ago_and_counts_it_whole(
    reports: FlaskClient, store: Store
) -> None:
    store(*on("2025-11-08T00:00Z", "2025-11-07T23:59:59.999Z", "2025-11-14T00:00Z"))
    assert data(reports)["global"]["daily"] == {"2025-11-08": 1, "2025-11-14": 1}
    assert data(reports, "lookback=7") == data(reports) == data(reports, "lookback=")
    assert data(reports, "lookback=8")["global"]["daily"]["2025-11-07"] == 1
    assert data(reports, "lookback=1")["global"]["daily"] == {"2025-11-14": 1}


def test_weeks_start_on_sunday_also_across_the_new_year(
    new_year: FlaskClient, store: Store
) -> None:
    store(
        *on(
            "2025-12-20T23:59:59.999Z",  # Saturday, of the week before the oldest
            "2025-12-21T00:00Z",
            "2025-12-27T23:59:59.999Z",
            "2025-12-28T00:00Z",
            "2025-12-31T23:59:59.999Z",
            "2026-01-01T00:00Z",
        )
    )
    weekly = data(new_year, "lookback=1")["global"]["weekly"]
    assert weekly == {"2025-12-21": 2, "2025-12-28": 3}


def test_months_are_counted_back_across_the_new_year(new_year: FlaskClient, store: Store) -> None:
    store(
        *on(
            "2024-12-31T23:59:59.999Z",
            "2025-01-01T00:00Z",
            "2025-11-30T23:59:59.999Z",
            "2025-12-01T00:00Z",
            "2026-01-01T00:00Z",
        )
    )
    assert data(new_year, "lookback=1")["global"]["monthly"] == {"2025-12": 1, "2026-01": 1}
    assert data(new_year, "lookback=12")["global"]["monthly"] == {
        "2025-01": 1,
        "2025-11": 1,
        "2025-12": 1,
        "2026-01": 1,
    }
    assert data(new_year, "lookback=13")["global"]["monthly"]["2024-12"] == 1


@pytest.mark.parametrize(
    ("today", "month"),
    [("2025-03-31", "2025-02"), ("2025-01-31", "2024-12"), ("2025-12-31", "2025-11")],
)
def test_a_month_back_from_its_last_day_is_the_month_before(
    reporting_settings: Settings, store: Store, today: str, month: str
) -> None:
    app = create_app(reporting_settings, clock=lambda: ms(f"{today}T12:00Z"))
    store(*on(f"{month}-01T00:00Z"))
    answer = data(app.test_client(), "lookback=1")["global"]
    app.close()
    assert answer == {"daily": {}, "weekly": {}, "monthly": {month: 1}}


def test_a_type_is_listed_if_it_has_an_event_in_any_of_the_months(
    reports: FlaskClient, store: Store
) -> None:
    store(*on("2025-10-01T00:00Z"), *on("2025-09-30T23:59:59.999Z", event_type="older"))
    assert data(reports, "lookback=1")["usages"] == {
        "login": {"daily": {}, "weekly": {}, "monthly": {"2025-10": 1}}
    }


def test_the_longest_lookback_is_thirty_years_of_months(reports: FlaskClient, store: Store) -> None:
    store(*on("1995-05-01T00:00Z", "1995-04-30T23:59:59.999Z"))
    assert data(reports, "lookback=366")["global"]["monthly"] == {"1995-05": 1}


def test_an_event_stamped_after_now_counts_on_its_day(reports: FlaskClient, store: Store) -> None:
    store(*on("2025-11-15T23:00Z", "2025-11-16T00:30Z"))
    for query in ("", "uniqueId=user"):
        overall = data(reports, query)["global"]
        assert overall["daily"] == {"2025-11-15": 1, "2025-11-16": 1}
        assert overall["weekly"] == {"2025-11-09": 1, "2025-11-16": 1}


def test_sites_are_together_unless_one_is_asked_for(reports: FlaskClient, store: Store) -> None:
    store(*on("2025-11-15T01:00Z"), *on("2025-11-15T01:00Z", "2025-11-15T02:00Z", site_id="b"))
    for more in ("", "&uniqueId=user"):
        assert data(reports, f"{more}")["global"]["daily"] == {"2025-11-15": 3}
        assert data(reports, f"site_id=b{more}")["global"]["daily"] == {"2025-11-15": 2}
        assert data(reports, f"site_id=c{more}")["global"]["daily"] == {}


def counted(client: FlaskClient, **query: str) -> dict[str, int]:
    """Each type's events of the month."""
    answer = client.get("/analytics", query_string=query).get_json()["data"]
    by_type = {name: sum(usage["monthly"].values()) for name, usage in answer["usages"].items()}
    assert sum(by_type.values()) == sum(answer["global"]["monthly"].values())
    return by_type


def test_unique_id_is_the_user(reports: FlaskClient, store: Store) -> None:
    ids = ["42", "4", None, "ü 🐦", "U", "u", "u ", "' OR 1=1 --"]
    store(*(make_event(n, event_type=f"by {user}", user_id=user) for n, user in enumerate(ids)))
    for user in ("42", "ü 🐦", "U", "u", "u ", "' OR 1=1 --"):
        assert counted(reports, uniqueId=user) == {f"by {user}": 1}
    assert counted(reports, uniqueId="nobody") == {}
    assert counted(reports, uniqueId="42\0") == {}


def test_type_is_the_property_of_that_name(reports: FlaskClient, store: Store) -> None:
    kinds = ["mobile", "Mobile", "mobile ", "", 'a "quote"', "ü 🐦", "' OR 1=1 --", 5, None, "%"]
    events = [
        make_event(n, event_type=f"of {kind!r}", properties={"other": "mobile", "type": kind})
        for n, kind in enumerate(kinds)
    ]
    store(
        *events,
        make_event(100, event_type="without", properties={"other": "mobile"}),
        make_event(101, event_type="without"),
    )
    for kind in ("mobile", "Mobile", "mobile ", 'a "quote"', "ü 🐦", "' OR 1=1 --", "%"):
        assert counted(reports, type=kind) == {f"of {kind!r}": 1}
    assert counted(reports, type="5") == {"of 5": 1}
    assert counted(reports, type="desktop") == counted(reports, type="null") == {}


def test_user_and_type_narrow_together(reports: FlaskClient, store: Store) -> None:
    mobile = {"properties": {"type": "mobile"}}
    store(
        make_event(1, event_type="both", user_id="42", **mobile),
        make_event(2, event_type="type", user_id="43", **mobile),
        make_event(3, event_type="user", user_id="42"),
    )
    assert counted(reports, type="mobile", uniqueId="42") == {"both": 1}
    assert counted(reports, type="mobile") == {"both": 1, "type": 1}


def test_filtered_counts_fall_on_the_same_days(reports: FlaskClient, store: Store) -> None:
    midnight = NOW - NOW % DAY
    store(
        *(
            make_event(
                number,
                timestamp=midnight - number * DAY + offset,
                event_type=f"type {number % 3}",
                properties={"type": "t"},
            )
            for number in range(300)
            for offset in (0, DAY - 1)
        )
    )
    assert data(reports) == data(reports, "type=t") == data(reports, "uniqueId=user")


def test_an_event_created_at_seconds_is_counted(reports: FlaskClient, store: Store) -> None:
    """analytics-engine documents seconds, reads milliseconds, and so counts it in January 1970."""
    visit, make_id = Visit(received_at=NOW, default_site_id="home"), EventIds()
    for moment in (1_763_196_400, "1763196400", 1_763_196_400_000):
        sent = {"name": "login", "userId": "42", "createdAt": moment}
        store(event_from(sent, visit, make_id, OTHER_NAMES))
    assert data(reports)["usages"] == {
        "login": {
            "daily": {"2025-11-15": 3},
            "weekly": {"2025-11-09": 3},
            "monthly": {"2025-11": 3},
        }
    }


def test_what_a_client_of_analytics_engine_sends_is_what_it_finds(
    reports: FlaskClient, store: Store
) -> None:
    sent = {"name": "play", "uniqueId": "user1", "createdAt": NOW, "type": "commands"}
    visit, make_id = Visit(received_at=NOW, default_site_id="home"), EventIds()
    store(*(event_from(sent, visit, make_id, OTHER_NAMES) for _ in range(2)))
    assert counted(reports, type="commands", uniqueId="user1", lookback="7") == {"play": 2}
