"""The last five minutes: what is in them, and what is not, on each kind of database."""

import itertools
import random
from collections import Counter
from typing import Any

from flask.testing import FlaskClient

from reporting.app import create_app
from shared.clock import iso_from_ms
from shared.event import Event
from shared.settings import Settings
from tests.events import NOW, make_event
from tests.reporting.conftest import Store

FIVE_MINUTES = 300_000
numbers = itertools.count()
MINUTE = 60_000


def at(*moments: int, **changes: Any) -> list[Event]:
    """An event at each moment, in ms after NOW."""
    return [make_event(next(numbers), timestamp=NOW + m, **changes) for m in moments]


def realtime(client: FlaskClient, site_id: str = "site-a") -> dict[str, Any]:
    answer = client.get("/realtime", query_string={"site_id": site_id})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def test_realtime_has_the_documented_shape_and_order(reports: FlaskClient, store: Store) -> None:
    store(
        make_event(1, timestamp=NOW - 1, path="/b", session_id="s1"),
        make_event(2, timestamp=NOW - 2, path="/a", session_id="s2", user_id="v"),
        make_event(3, timestamp=NOW - 3, event_type="signup", session_id="s2"),
    )
    answer = realtime(reports)
    assert list(answer) == ["active_users", "active_sessions", "views", "top_pages", "per_minute"]
    minutes = answer.pop("per_minute")
    assert answer == {
        "active_users": 2,
        "active_sessions": 2,
        "views": 2,
        "top_pages": [{"path": "/a", "views": 1}, {"path": "/b", "views": 1}],
    }
    assert minutes[-1] == {"minute": "2025-11-15T09:46:00Z", "views": 2, "unique_users": 2}
    assert list(minutes[0]) == ["minute", "views", "unique_users"]


def test_the_window_holds_both_its_ends_and_no_millisecond_more(
    reports: FlaskClient, store: Store
) -> None:
    store(*at(-FIVE_MINUTES - 1, -FIVE_MINUTES, 0, 1, 86_000_000))
    answer = realtime(reports)
    assert answer["views"] == 2
    assert [m["views"] for m in answer["per_minute"]] == [1, 0, 0, 0, 0, 1]


def test_minutes_are_whole_utc_minutes_and_none_is_left_out(reports: FlaskClient) -> None:
    minutes = realtime(reports)["per_minute"]
    assert [m["minute"] for m in minutes] == [
        f"2025-11-15T09:{minute}:00Z" for minute in range(41, 47)
    ]
    assert {(m["views"], m["unique_users"]) for m in minutes} == {(0, 0)}


def test_a_minute_holds_what_is_before_the_next_one(reports: FlaskClient, store: Store) -> None:
    next_minute = NOW - NOW % MINUTE
    store(*at(next_minute - NOW - 1, next_minute - NOW))
    assert [m["views"] for m in realtime(reports)["per_minute"]] == [0, 0, 0, 0, 1, 1]


def test_of_an_unknown_site_there_is_nothing(reports: FlaskClient, store: Store) -> None:
    store(*at(-1))
    answer = realtime(reports, "site-b")
    assert (answer["active_users"], answer["active_sessions"], answer["views"]) == (0, 0, 0)
    assert answer["top_pages"] == []


def test_sites_are_apart(reports: FlaskClient, store: Store) -> None:
    store(*at(-1, -2), *at(-3, site_id="site-b", user_id="v"))
    assert (realtime(reports)["views"], realtime(reports, "site-b")["views"]) == (2, 1)


def test_events_without_a_user_session_or_path_count_as_views_only(
    reports: FlaskClient, store: Store
) -> None:
    store(*at(-1, -2, user_id=None, path=None))
    answer = realtime(reports)
    assert (answer["active_users"], answer["active_sessions"], answer["views"]) == (0, 0, 2)
    assert answer["top_pages"] == []
    assert answer["per_minute"][-1]["unique_users"] == 0


def test_the_five_most_viewed_pages_are_listed_equal_ones_by_path(
    reports: FlaskClient, store: Store
) -> None:
    paths = ["/é", "/a", "/A", "/a ", "/z", "/z", "/%", "/signup"]
    store(*(make_event(n, timestamp=NOW - n, path=path) for n, path in enumerate(paths)))
    store(*at(-1, -2, -3, path="/signup", event_type="signup"))
    assert realtime(reports)["top_pages"] == [
        {"path": "/z", "views": 2},
        {"path": "/%", "views": 1},
        {"path": "/A", "views": 1},
        {"path": "/a", "views": 1},
        {"path": "/a ", "views": 1},
    ]


def test_under_steady_traffic_the_last_five_minutes_move_on(
    reporting_settings: Settings, store: Store
) -> None:
    """In streaming-analytics the set of active users lives on as long as anybody is active."""
    store(
        *(
            make_event(
                n, timestamp=NOW + n * MINUTE, user_id=f"user-{n // 10}", session_id=f"s{n // 10}"
            )
            for n in range(30)
        )
    )
    seen = []
    for minutes in range(9, 30, 10):
        now = NOW + minutes * MINUTE
        app = create_app(reporting_settings, clock=lambda now=now: now)  # type: ignore[misc]
        answer = realtime(app.test_client())
        seen.append((answer["active_users"], answer["active_sessions"], answer["views"]))
        users = app.test_client().get("/metrics/active-users").get_json()
        assert users == [{"user_id": f"user-{minutes // 10}", "events": 6}]
        app.close()
    assert seen == [(1, 1, 6)] * 3


def test_answers_equal_a_plain_count(reports: FlaskClient, store: Store) -> None:
    chance = random.Random(7)
    events = [
        make_event(
            number,
            site_id=chance.choice(["site-a", "site-b"]),
            timestamp=NOW - chance.randrange(-20_000, 360_000),
            event_type=chance.choice(["page_view", "page_view", "signup", "Page_View"]),
            path=chance.choice([None, "/", "/a", "/A", "/🚀", "/uff"]),
            user_id=chance.choice([None, "u", "U", "u ", "ü", "1"]),
            session_id=chance.choice([None, "s", "S", "t"]),
        )
        for number in range(600)
    ]
    store(*events)
    for site_id in ("site-a", "site-b"):
        answer = realtime(reports, site_id)
        assert answer == plain_count([e for e in events if e.site_id == site_id])
        assert sum(m["views"] for m in answer["per_minute"]) == answer["views"]


def plain_count(events: list[Event]) -> dict[str, Any]:
    live = [e for e in events if NOW - FIVE_MINUTES <= e.timestamp <= NOW]
    views = [e for e in live if e.event_type == "page_view"]
    paths = Counter(e.path for e in views if e.path is not None)
    ranked = sorted(paths.items(), key=lambda item: (-item[1], item[0].encode()))
    first = NOW - FIVE_MINUTES - (NOW - FIVE_MINUTES) % MINUTE
    return {
        "active_users": len({e.user_id for e in live} - {None}),
        "active_sessions": len({e.session_id for e in live} - {None}),
        "views": len(views),
        "top_pages": [{"path": path, "views": n} for path, n in ranked[:5]],
        "per_minute": [
            {
                "minute": iso_from_ms(minute),
                "views": sum(minute <= e.timestamp < minute + MINUTE for e in views),
                "unique_users": len(
                    {e.user_id for e in live if minute <= e.timestamp < minute + MINUTE} - {None}
                ),
            }
            for minute in range(first, NOW + 1, MINUTE)
        ],
    }


def test_no_answer_of_the_moment_is_kept(reports: FlaskClient) -> None:
    for path in (
        "/realtime?site_id=s",
        "/users/u/sessions?site_id=s",
        "/metrics/active-users",
        "/metrics/page-views",
        "/metrics/user-sessions/u",
        "/analytics",
        "/analytics/page_views_per_minute",
        "/analytics/minute-buckets/page_view_2024-06-07_12:34",
    ):
        assert reports.get(path).headers["Cache-Control"] == "no-store", path
