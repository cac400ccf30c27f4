"""Visitors without a name: told apart for a day, by nothing that anybody could look up later."""

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ingestion.visitor.salts import Salts
from shared.clock import DAY_MS
from shared.errors import Unavailable
from shared.event import Event
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion, MakeQueue
from tests.ingestion.wsgi import ONE, post, queued
from tests.servers import ServiceProcess, ValkeyServer, wait_until

ADDRESS = "203.0.113.77"
NOON = 1_763_208_000_000  # 2025-11-15T12:00:00Z
MIDNIGHT = NOON + DAY_MS // 2
HASHED = "/event?users=hashed"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
BROWSER = {"REMOTE_ADDR": ADDRESS, "HTTP_USER_AGENT": FIREFOX}


class Clock:
    """A clock that a test sets."""

    now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def users_of(queue: EventQueue) -> list[str | None]:
    return [event.user_id for event in queued(queue)]


def visitor(queue: EventQueue) -> Event:
    return queued(queue)[-1]


def test_the_same_browser_is_one_visitor_of_a_site_and_others_are_others(
    make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock
) -> None:
    app = make_ingestion(clock)
    different: list[dict[str, Any]] = [
        {},
        {"REMOTE_ADDR": "203.0.113.78"},
        {"HTTP_USER_AGENT": "Browser/2"},
    ]
    for extra in different:
        for path in ("/a", "/b"):
            assert post(app, {**ONE, "path": path}, HASHED, **(BROWSER | extra)).status == 202
    assert post(app, {**ONE, "site_id": "other"}, HASHED, **BROWSER).status == 202
    users = users_of(queue)
    assert users[0::2][:3] == users[1::2]
    assert len(set(users)) == 4
    assert all(user and len(user) == 32 for user in users)


def test_only_events_without_a_user_of_requests_that_ask_get_one(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    app = make_ingestion()
    named = {**ONE, "user_id": "ada"}
    post(app, ONE, **BROWSER)
    post(app, [named, ONE], "/events?users=hashed", **BROWSER)
    users = users_of(queue)
    assert users[:2] == [None, "ada"]
    assert users[2] not in {None, "ada"}
    assert visitor(queue).properties is None


def test_a_salt_lasts_for_the_day_and_for_what_happened_on_it(
    make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock
) -> None:
    app = make_ingestion(clock)

    def seen(now: int, **fields: object) -> str | None:
        clock.now = now
        assert post(app, {**ONE, **fields}, HASHED, **BROWSER).status == 202
        return visitor(queue).user_id

    before = seen(MIDNIGHT - 1)
    after = seen(MIDNIGHT)
    assert before != after
    assert seen(MIDNIGHT + 5000, timestamp=MIDNIGHT - 1000) == before
    assert seen(MIDNIGHT + DAY_MS - 1, timestamp=MIDNIGHT - DAY_MS) == before
    # There is no salt any more for what happened the day before yesterday, and none of tomorrow's.
    assert seen(MIDNIGHT + 1, timestamp=MIDNIGHT - DAY_MS - 1) == after
    assert seen(MIDNIGHT + 1, timestamp=MIDNIGHT + DAY_MS) == after
    assert seen(MIDNIGHT + DAY_MS) not in {before, after}


def test_all_processes_have_the_same_salts_also_after_a_restart(
    make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock
) -> None:
    clock.now = MIDNIGHT + 1
    for _ in range(3):
        app = make_ingestion(clock)
        for timestamp in (MIDNIGHT + 1, MIDNIGHT - 1):
            post(app, {**ONE, "timestamp": timestamp}, HASHED, **BROWSER)
    assert len(set(users_of(queue))) == 2
    assert users_of(queue)[:2] * 3 == users_of(queue)


def test_a_salt_is_gone_a_day_after_its_day(
    make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock
) -> None:
    app = make_ingestion(clock)
    post(app, ONE, HASHED, **BROWSER)
    (key,) = queue.redis.keys(f"{queue.salt_prefix}*")
    left = queue.redis.pttl(key)
    assert 0 < MIDNIGHT + DAY_MS - NOON - left < 60_000
    clock.now = MIDNIGHT + DAY_MS
    post(app, ONE, HASHED, **BROWSER)
    assert list(app.door.salts.days.known) == [MIDNIGHT + DAY_MS]


def test_two_installations_on_one_redis_have_different_salts(make_queue: MakeQueue) -> None:
    salts = {make_queue(redis_key=name).share_salt(0, 60_000) for name in ("a", "b")}
    assert len(salts) == 2


def test_a_salt_is_read_once_a_day(
    make_ingestion: MakeIngestion, valkey: ValkeyServer, queue: EventQueue, clock: Clock
) -> None:
    app = make_ingestion(clock)
    post(app, ONE, HASHED, **BROWSER)
    with valkey.client() as client:
        before = commands(client)
        for _ in range(20):
            post(app, ONE, HASHED, **BROWSER)
        assert commands(client) - before == 20 + 1


def commands(client: Any) -> int:
    """Requests that Redis has answered, those of scripts inside it left out."""
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "info"))


def test_with_redis_away_the_answer_is_503(
    make_ingestion: MakeIngestion, valkey: ValkeyServer, queue: EventQueue
) -> None:
    app = make_ingestion()
    valkey.kill()
    answer = post(app, ONE, HASHED, **BROWSER)
    assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
    assert answer.headers["Retry-After"]
    with pytest.raises(Unavailable):
        queue.share_salt(0, 1000)
    valkey.start()
    assert post(app, ONE, HASHED, **BROWSER).status == 503  # nobody waits for it twice in a second
    wait_until(lambda: post(app, ONE, HASHED, **BROWSER).status == 202)


def test_a_dead_connection_is_replaced(queue: EventQueue, valkey: ValkeyServer) -> None:
    salt = queue.share_salt(0, 60_000)
    valkey.kill()
    valkey.start()
    assert queue.share_salt(0, 60_000) == salt


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_the_address_is_neither_in_redis_nor_in_the_log(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    given = {"REDIS_URL": valkey.url, "INGESTION_SERVER": server, "LOG_LEVEL": "debug"}
    with ServiceProcess("ingestion", given | {"ADDRESS_HEADER": "X-Forwarded-For"}) as service:
        for body in (ONE, {}, [ONE, {"site_id": ADDRESS * 30}]):
            request = urllib.request.Request(f"{service.url}{HASHED}", json.dumps(body).encode())
            request.add_header("X-Forwarded-For", f"198.51.100.1, {ADDRESS}")
            post_anyhow(request)
        log = service.log()
    assert len(set(users_of(queue)) - {None}) == 1
    assert len(users_of(queue)) == 2
    valkey.stop()
    kept = b"".join(path.read_bytes() for path in valkey.directory.rglob("*") if path.is_file())
    assert b"site-1" in kept
    assert ADDRESS.encode() not in kept
    assert ADDRESS not in log


def post_anyhow(request: urllib.request.Request) -> None:
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        error.close()


def test_without_an_address_nobody_is_told_apart(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    app = make_ingestion(address_header="X-Real-IP")
    for extra in ({}, {"HTTP_X_REAL_IP": ""}, {"HTTP_X_REAL_IP": "unknown"}):
        assert post(app, ONE, HASHED, **(BROWSER | extra)).status == 202
    assert users_of(queue) == [None] * 3


@pytest.mark.parametrize("query", ["users=none", "users=", "users=hashed&users=hashed"])
def test_another_way_to_tell_them_apart_is_refused(
    make_ingestion: MakeIngestion, queue: EventQueue, query: str
) -> None:
    app = make_ingestion()
    answer = post(app, ONE, f"/event?{query}", **BROWSER)
    assert (answer.status, answer.json) == (
        400,
        {
            "status": "error",
            "code": "bad_users",
            "error": "users must be hashed, or absent",
            "field": "users",
        },
    )
    assert post(app, ONE, "/event?superusers=1&user=x", **BROWSER).status == 202
    assert users_of(queue) == [None]


def test_an_image_may_ask_too(make_ingestion: MakeIngestion, queue: EventQueue) -> None:
    app = make_ingestion()
    client = app.test_client()
    for _ in range(2):
        path = "/pixel.gif?site_id=site-1&event_type=page_view&users=hashed"
        client.get(path, environ_overrides=BROWSER)
    post(app, ONE, HASHED, **BROWSER)
    assert len(set(users_of(queue))) == 1
    assert visitor(queue).user_id is not None
    assert [event.properties for event in queued(queue)] == [None] * 3
    answer = client.get("/pixel.gif?site_id=site-1&event_type=page_view&users=x")
    assert answer.headers["X-Footfall"] == "bad_users"


def make_salts(queue: EventQueue, tmp_path: Path) -> Salts:
    return Salts(queue, tmp_path)


def days_in(tmp_path: Path) -> list[int]:
    return sorted(map(int, json.loads((tmp_path / "salts.json").read_bytes())))


def test_salts_are_fetched_a_day_ahead_and_kept(
    make_queue: MakeQueue, queue: EventQueue, valkey: ValkeyServer, tmp_path: Path
) -> None:
    make_salts(queue, tmp_path).look_ahead(NOON)
    today = MIDNIGHT - DAY_MS
    assert days_in(tmp_path) == [today, MIDNIGHT]
    salts = [queue.share_salt(day, 60_000) for day in (today, MIDNIGHT)]
    valkey.kill()
    later = make_salts(make_queue(timeout_seconds=0.5), tmp_path)
    assert [later.days.of_period(day, NOON) for day in (today, MIDNIGHT)] == salts


def test_what_is_over_leaves_the_file_also_while_redis_is_away(
    make_queue: MakeQueue, queue: EventQueue, valkey: ValkeyServer, tmp_path: Path
) -> None:
    make_salts(queue, tmp_path).look_ahead(NOON)
    valkey.kill()
    salts = make_salts(make_queue(timeout_seconds=0.5), tmp_path)
    with pytest.raises(Unavailable):
        salts.look_ahead(MIDNIGHT + DAY_MS)
    assert days_in(tmp_path) == [MIDNIGHT]
    assert list(salts.days.known) == [MIDNIGHT]


def test_a_file_that_cannot_be_written_costs_no_salt_and_leaves_nothing(
    queue: EventQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    salts = make_salts(queue, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing)
        with pytest.raises(OSError, match="no space"):
            salts.look_ahead(NOON)
    assert salts.days.of_period(MIDNIGHT, NOON) == queue.share_salt(MIDNIGHT, 60_000)
    assert list(tmp_path.iterdir()) == []
    salts.look_ahead(NOON)
    assert [path.name for path in tmp_path.iterdir()] == ["salts.json"]


def failing(*_: object) -> None:
    raise OSError("no space")


def test_what_a_process_left_that_ended_while_writing_goes(
    queue: EventQueue, tmp_path: Path
) -> None:
    stray, fresh = tmp_path / "salts.json.00", tmp_path / "salts.json.11"
    for path in (stray, fresh):
        path.write_bytes(b"{}")
    os.utime(stray, (1, 1))
    make_salts(queue, tmp_path).look_ahead(NOON)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["salts.json", fresh.name]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x":"y"}', b"\xff"])
def test_a_file_that_is_none_of_ours_is_replaced(
    queue: EventQueue, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "salts.json").write_bytes(content)
    make_salts(queue, tmp_path).look_ahead(NOON)
    assert days_in(tmp_path) == [MIDNIGHT - DAY_MS, MIDNIGHT]
