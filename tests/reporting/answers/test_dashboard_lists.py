"""The lists that the dashboard of streaming-analytics polls, and a user's sessions."""

import itertools
from typing import Any
from urllib.parse import quote

from flask.testing import FlaskClient

from shared.event import Event
from tests.events import NOW, make_event
from tests.reporting.conftest import Store

FIVE_MINUTES = 300_000
numbers = itertools.count()


def at(*moments: int, **changes: Any) -> list[Event]:
    """An event at each moment, in ms after NOW."""
    return [make_event(next(numbers), timestamp=NOW + m, **changes) for m in moments]


def test_the_most_active_users_come_first_equal_ones_by_name(
    reports: FlaskClient, store: Store
) -> None:
    store(
        *at(-1, -2, user_id="b"),
        *at(-3, -4, user_id="a", event_type="signup"),
        *at(-5, -6, -7, user_id="ü"),
        *at(-8, user_id="B"),
        *at(-9, -10, -11, -12, user_id=None),
        *at(-FIVE_MINUTES - 1, 1, user_id="late"),
    )
    assert reports.get("/metrics/active-users").get_json() == [
        {"user_id": "ü", "events": 3},
        {"user_id": "a", "events": 2},
        {"user_id": "b", "events": 2},
        {"user_id": "B", "events": 1},
    ]


def test_the_most_viewed_pages_come_first_equal_ones_by_name(
    reports: FlaskClient, store: Store
) -> None:
    store(
        *at(-1, -2, path="/b"),
        *at(-3, -4, path="/a"),
        *at(-5, -6, -7, path="/signup", event_type="signup"),
        *at(-8, path=None),
        *at(-FIVE_MINUTES, path="/first"),
        *at(-FIVE_MINUTES - 1, 1, path="/late"),
    )
    assert reports.get("/metrics/page-views").get_json() == [
        {"page_url": "/a", "views": 2},
        {"page_url": "/b", "views": 2},
        {"page_url": "/first", "views": 1},
    ]


def test_lists_are_of_all_sites_or_of_one(reports: FlaskClient, store: Store) -> None:
    store(*at(-1, -2, path="/a"), *at(-3, site_id="site-b", path="/a"))
    assert reports.get("/metrics/active-users").get_json() == [{"user_id": "user", "events": 3}]
    assert reports.get("/metrics/page-views").get_json() == [{"page_url": "/a", "views": 3}]
    of_one = reports.get("/metrics/active-users?site_id=site-b").get_json()
    assert of_one == [{"user_id": "user", "events": 1}]
    assert reports.get("/metrics/page-views?site_id=site-b").get_json()[0]["views"] == 1
    assert reports.get("/metrics/page-views?site_id=site-c").get_json() == []


def test_without_any_site_the_lists_are_empty(reports: FlaskClient) -> None:
    for path in ("/metrics/active-users", "/metrics/page-views"):
        assert reports.get(path).get_json() == []
    assert reports.get("/metrics/user-sessions/u").get_json()["sessions"] == []


def test_a_list_has_ten_entries_unless_told(reports: FlaskClient, store: Store) -> None:
    store(*(make_event(n, timestamp=NOW - n, user_id=f"u{n:02}", path=f"/{n}") for n in range(12)))
    for path in ("/metrics/active-users", "/metrics/page-views"):
        assert len(reports.get(path).get_json()) == 10
        assert len(reports.get(f"{path}?limit=1000").get_json()) == 12
        assert len(reports.get(f"{path}?limit=1").get_json()) == 1
    assert reports.get("/metrics/active-users?limit=1").get_json()[0]["user_id"] == "u00"


def test_sessions_are_listed_by_their_last_event_newest_first(
    reports: FlaskClient, store: Store
) -> None:
    store(
        *at(-900, -5, session_id="old"),
        *at(-1000, -3, session_id="b"),
        *at(-3, session_id="a"),
        *at(-3, session_id="A", event_type="signup"),
        *at(-FIVE_MINUTES, session_id="first"),
        *at(-FIVE_MINUTES - 1, 1, session_id="late"),
        *at(-1, session_id=None),
        *at(-1, session_id="other", user_id="other"),
        *at(-1, session_id="nobody", user_id=None),
    )
    expected = {
        "user_id": "user",
        "active_sessions": 5,
        "sessions": [
            {"session_id": "A", "last_seen": "2025-11-15T09:46:39.997Z"},
            {"session_id": "a", "last_seen": "2025-11-15T09:46:39.997Z"},
            {"session_id": "b", "last_seen": "2025-11-15T09:46:39.997Z"},
            {"session_id": "old", "last_seen": "2025-11-15T09:46:39.995Z"},
            {"session_id": "first", "last_seen": "2025-11-15T09:41:40Z"},
        ],
    }
    answer = reports.get("/users/user/sessions?site_id=site-a")
    assert answer.get_json() == expected
    assert list(answer.get_json()) == list(expected)
    assert reports.get("/metrics/user-sessions/user").get_json() == expected


def test_of_many_sessions_some_are_listed_and_all_are_counted(
    reports: FlaskClient, store: Store
) -> None:
    store(*(make_event(n, timestamp=NOW - n, session_id=f"s{n:04}") for n in range(1002)))
    for path in ("/users/user/sessions?site_id=site-a", "/metrics/user-sessions/user?"):
        answer = reports.get(path).get_json()
        assert (answer["active_sessions"], len(answer["sessions"])) == (1002, 1000)
        two = reports.get(f"{path}&limit=2").get_json()
        assert two["active_sessions"] == 1002
        assert [each["session_id"] for each in two["sessions"]] == ["s0000", "s0001"]


def test_sessions_of_a_user_are_of_one_site_unless_it_is_left_out(
    reports: FlaskClient, store: Store
) -> None:
    store(*at(-1, session_id="a"), *at(-2, session_id="b", site_id="site-b"))

    def sessions(path: str) -> list[str]:
        return [s["session_id"] for s in reports.get(path).get_json()["sessions"]]

    assert sessions("/users/user/sessions?site_id=site-b") == ["b"]
    assert sessions("/metrics/user-sessions/user") == ["a", "b"]
    assert sessions("/metrics/user-sessions/user?site_id=site-b") == ["b"]


USER_IDS = [
    "a/b",
    "/a",
    "a/",
    "a//b",
    "https://id.example/ann?x=1#y",
    "sessions",
    "x/sessions",
    "O'Brien; DROP TABLE events; --",
    "100%_\\'\"",
    "ünï 🐦",
    "line\nbreak",
    "u ",
    ".",
    "x" * 255,
]


def test_any_user_id_can_be_asked_for(reports: FlaskClient, store: Store) -> None:
    for n, user_id in enumerate(USER_IDS):
        store(*at(-1, user_id=user_id, session_id=f"session-{n}"))
    for n, user_id in enumerate(USER_IDS):
        path = quote(user_id, safe="")
        for asked in (f"/users/{path}/sessions?site_id=site-a", f"/metrics/user-sessions/{path}"):
            answer = reports.get(asked).get_json()
            assert (answer["user_id"], answer["active_sessions"]) == (user_id, 1), asked
            assert answer["sessions"][0]["session_id"] == f"session-{n}"


def test_a_user_id_is_compared_as_it_is(reports: FlaskClient, store: Store) -> None:
    store(*at(-1, session_id="s"))
    for user_id in ("%00", "user%00", "USER", "user%20", "%25", "u_er", "%FF", "' OR 1=1 --"):
        answer = reports.get(f"/metrics/user-sessions/{user_id}")
        assert (answer.status_code, answer.get_json()["sessions"]) == (200, []), user_id
