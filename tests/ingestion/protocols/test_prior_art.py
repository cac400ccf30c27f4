"""Clients of five earlier systems may be pointed at us unchanged, and what broke there holds here.

This is the half that concerns accepting events; what becomes of them is tested with the workers and
the reports.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from ingestion.app import Ingestion
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, post, queued
from tests.promises import within_a_second
from tests.servers import ValkeyServer

NOON = 1_763_208_000  # 2025-11-15T12:00:00Z, in seconds

# A request as the system documents it, and the fields that must be in the queue.
DOCUMENTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "analytics-engine",
        {"name": "login", "userId": "42", "createdAt": NOON},
        {
            "site_id": "home",
            "event_type": "login",
            "user_id": "42",
            "timestamp": NOON * 1000,
            "properties": None,
        },
    ),
    (
        "analytics-engine, with a type",
        {"name": "login", "uniqueId": "42", "type": "mobile", "createdAt": str(NOON)},
        {"event_type": "login", "user_id": "42", "properties": {"type": "mobile"}},
    ),
    (
        "event-analytics",
        {
            "event_type": "page_view",
            "user_id": "u1",
            "page_url": "https://shop.example/cart?step=2",
            "timestamp": "2025-11-15T17:30:00+05:30",
        },
        {"event_type": "page_view", "path": "/cart", "user_id": "u1", "timestamp": NOON * 1000},
    ),
    (
        "analytics-system",
        {
            "site_id": "site-abc-123",
            "event_type": "page_view",
            "path": "/pricing",
            "user_id": "user-xyz-789",
            "timestamp": "2025-11-15T12:00:00Z",
        },
        {
            "site_id": "site-abc-123",
            "path": "/pricing",
            "user_id": "user-xyz-789",
            "timestamp": NOON * 1000,
        },
    ),
    (
        "flask-analytics, without a timestamp",
        {"site_id": "site-abc-123", "event_type": "pageview", "path": "/", "user_id": "u"},
        {"site_id": "site-abc-123", "event_type": "page_view", "path": "/", "user_id": "u"},
    ),
    (
        "streaming-analytics",
        {
            "event_id": "5f0c9f5e-0000-4000-8000-000000000001",
            "event_type": "page_view",
            "user_id": "user_7",
            "session_id": "session_9",
            "timestamp": "2025-11-15T12:00:00.250000",
            "payload": {"page_url": "/products", "device": "mobile"},
        },
        {
            "event_id": "5f0c9f5e-0000-4000-8000-000000000001",
            "has_caller_id": True,
            "path": "/products",
            "session_id": "session_9",
            "timestamp": NOON * 1000 + 250,
            "properties": {"device": "mobile"},
        },
    ),
    (
        "streaming-analytics, in camel case",
        {"name": "page_view", "userId": "u", "sessionId": "s", "url": "/x#top"},
        {"event_type": "page_view", "user_id": "u", "session_id": "s", "path": "/x"},
    ),
]


@pytest.mark.parametrize(
    ("sent", "stored"), [row[1:] for row in DOCUMENTED], ids=[row[0] for row in DOCUMENTED]
)
def test_a_documented_request_is_accepted_and_queued(
    make_ingestion: MakeIngestion, queue: EventQueue, sent: object, stored: dict[str, Any]
) -> None:
    answer = post(make_ingestion(default_site_id="home"), sent)
    assert (answer.status, answer.json) == (202, {"status": "accepted"})
    [event] = queued(queue)
    assert {name: getattr(event, name) for name in stored} == stored


def test_two_equal_events_are_two_events(ingestion: Ingestion, queue: EventQueue) -> None:
    same = {**ONE, "user_id": "u", "timestamp": NOON}
    for _ in range(2):
        assert post(ingestion, same).status == 202
    assert len(queued(queue)) == 2


def test_ten_concurrent_first_events_are_ten(ingestion: Ingestion, queue: EventQueue) -> None:
    def send(number: int) -> int:
        return post(ingestion, {**ONE, "user_id": f"u{number}"}).status

    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(send, range(10))) == [202] * 10
    assert {event.user_id for event in queued(queue)} == {f"u{n}" for n in range(10)}
    assert queue.snapshot().accepted == 10


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_redis_down_is_neither_acknowledged_nor_waited_for(
    make_ingestion: MakeIngestion, valkey: ValkeyServer, fault: str
) -> None:
    app = make_ingestion(spool_max_bytes=0)
    getattr(valkey, fault)()
    with within_a_second():
        assert post(app, ONE).status == 503
    client = app.test_client()
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503


def test_a_write_that_redis_refuses_is_not_acknowledged(
    make_ingestion: MakeIngestion, queue: EventQueue, valkey: ValkeyServer
) -> None:
    ingestion = make_ingestion(spool_max_bytes=0)
    assert post(ingestion, ONE).status == 202
    with valkey.client() as admin:
        admin.config_set("maxmemory", 1)
        try:
            answer = post(ingestion, ONE)
        finally:
            admin.config_set("maxmemory", 0)
    assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
    assert len(queued(queue)) == queue.snapshot().accepted == 1
    assert post(ingestion, ONE).status == 202


def test_an_offset_lands_in_its_hour(ingestion: Ingestion, queue: EventQueue) -> None:
    post(ingestion, {**ONE, "timestamp": "2025-11-16T01:15:00+05:30"})
    assert queued(queue)[0].timestamp == (NOON + 7 * 3600 + 45 * 60) * 1000


def test_not_a_date_is_refused_and_not_lost_later(ingestion: Ingestion, queue: EventQueue) -> None:
    answer = post(ingestion, {**ONE, "timestamp": "not-a-date"})
    assert (answer.status, answer.json["code"]) == (400, "bad_timestamp")
    assert queued(queue) == []


def test_an_operator_in_place_of_a_site_is_refused(
    ingestion: Ingestion, client: FlaskClient, queue: EventQueue
) -> None:
    assert post(ingestion, {**ONE, "site_id": {"$ne": "x"}}).json["code"] == "bad_type"
    pixel = client.get("/pixel.gif?site_id[$ne]=x&event_type=e")
    assert pixel.headers["X-Footfall"] == "missing_field"
    assert queued(queue) == []


@pytest.mark.parametrize("length", [501, 2048])
def test_a_path_of_501_characters_is_kept_whole(
    ingestion: Ingestion, queue: EventQueue, length: int
) -> None:
    path = "/" + "x" * (length - 1)
    assert post(ingestion, {**ONE, "path": path}).status == 202
    assert queued(queue)[0].path == path


def test_an_array_is_a_batch(ingestion: Ingestion, queue: EventQueue) -> None:
    assert post(ingestion, [ONE, ONE, ONE]).json["accepted"] == 3
    assert len(queued(queue)) == 3


def test_what_is_not_json_stops_nobody(ingestion: Ingestion, queue: EventQueue) -> None:
    assert post(ingestion, b"hello").status == 400
    assert post(ingestion, ONE).status == 202
    assert len(queued(queue)) == 1
