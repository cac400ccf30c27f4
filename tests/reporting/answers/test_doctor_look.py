"""What a doctor sees of real servers, and `/doctor` as it is asked."""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from reporting.answers.doctor.look import look, running_from
from reporting.answers.doctor.seen import Seen
from reporting.app import Reporting, create_app, make_sources
from reporting.route import Sources
from shared.clock import DAY_MS, now_ms
from shared.keys.keys import Kind
from shared.queue.event_queue import EventQueue
from shared.queue.refusals import Refused
from shared.queue.watching import SILENT_MS, DoorReport, Noted, Watching
from shared.settings import Settings
from tests.events import make_event
from tests.keys import add_row
from tests.reporting.conftest import Store
from tests.servers import ValkeyServer, free_port, wait_until
from tests.stack import PeriodicProcess

NOTED = Noted(door="machine:1", at=1_763_200_000_123, method="POST", path="/event", status=202)


@pytest.fixture
def sources(reporting_settings: Settings, writing: Engine) -> Iterator[Sources]:
    sources = make_sources(reporting_settings)
    yield sources
    sources.close()


def looked(settings: Settings, now: int | None = None, **changes: Any) -> Seen:
    sources = make_sources(dataclasses.replace(settings, **changes))
    try:
        return look(sources, now or now_ms())
    finally:
        sources.close()


def test_to_look_lets_ingestion_note_requests(sources: Sources, queue: EventQueue) -> None:
    watching = Watching(queue)
    assert not watching.is_asked()
    assert look(sources, now_ms()).asked_ms == 0
    assert watching.is_asked()
    time.sleep(0.05)
    assert 0 < look(sources, now_ms()).asked_ms < 60_000


def test_requests_and_reports_are_seen(sources: Sources, queue: EventQueue) -> None:
    watching = Watching(queue)
    watching.tell([NOTED])
    watching.report(DoorReport(name="machine:1", told_at=watching.time()))
    watching.report(DoorReport(name="machine:2", told_at=watching.time() - 60_000))
    queue.redis.rpush(watching.noted, b"of another version")
    seen = look(sources, now_ms())
    assert seen.noted == [NOTED]
    assert [report.name for report in seen.doors] == ["machine:1"]


def test_reports_of_processes_that_ended_are_taken_out(sources: Sources, queue: EventQueue) -> None:
    watching = Watching(queue)
    for number, ago in enumerate((0, SILENT_MS - 5_000, SILENT_MS + 1, 60_000)):
        report = DoorReport(name=f"machine:{number}", told_at=watching.time() - ago)
        watching.report(report)
    queue.redis.hset(watching.reports, "machine:9", b"of another version")
    look(sources, now_ms())
    names: Any = queue.redis.hkeys(watching.reports)
    assert {*names} == {b"machine:0", b"machine:1", b"machine:9"}


def test_clocks_are_compared(sources: Sources, reporting_settings: Settings) -> None:
    now = now_ms()
    seen = look(sources, now)
    assert abs(seen.redis.ahead_ms) < 5_000
    assert abs(seen.database.ahead_ms or 0) < 5_000
    assert (seen.database.ahead_ms is None) == ("sqlite" in reporting_settings.database_url)
    seen = look(sources, now_ms() + 60_000)
    assert 55_000 < seen.redis.ahead_ms < 65_000
    if seen.database.ahead_ms is not None:
        assert 55_000 < seen.database.ahead_ms < 65_000


def test_a_clock_goes_on() -> None:
    clock = running_from(1_000)
    time.sleep(0.02)
    assert 1_020 <= clock() < 60_000


def test_workers_and_periodic_processes_are_seen(settings: Settings, queue: EventQueue) -> None:
    seen = looked(settings)
    assert (seen.redis.workers, seen.redis.periodic) == (0, 0)
    queue.report("worker")
    assert looked(settings).redis.workers == 1


def test_a_periodic_process_is_seen(reporting_settings: Settings, writing: Engine) -> None:
    with PeriodicProcess(reporting_settings) as periodic:
        wait_until(lambda: looked(reporting_settings).redis.periodic == 1)
        periodic.stop()
    assert looked(reporting_settings).redis.periodic == 0


def test_refusals_of_today_are_seen(settings: Settings, queue: EventQueue) -> None:
    now = now_ms()
    today = now - now % DAY_MS
    queue.add_refusals(today, {Refused("shop", 403, "host_not_allowed"): 3})
    queue.add_refusals(today - DAY_MS, {Refused("shop", 403, "host_not_allowed"): 4})
    assert looked(settings, now).redis.refused_today == {
        Refused("shop", 403, "host_not_allowed"): 3
    }


def test_a_redis_that_is_away_is_seen(settings: Settings) -> None:
    away = f"redis://:hidden@127.0.0.1:{free_port()}/0"
    seen = looked(settings, redis_url=away)
    assert seen.redis.problem is not None
    assert "hidden" not in seen.redis.problem
    assert (seen.noted, seen.doors, seen.asked_ms) == ([], [], 0)


def test_a_redis_that_may_lose_events_is_seen(settings: Settings, valkey: ValkeyServer) -> None:
    assert looked(settings).redis.unsafe is None
    with valkey.client() as client:
        for option, usual, wrong in (
            ("maxmemory-policy", "noeviction", "allkeys-lru"),
            ("appendonly", "yes", "no"),
        ):
            client.config_set(option, wrong)
            try:
                assert looked(settings).redis.unsafe is not None
            finally:
                client.config_set(option, usual)


def test_a_redis_that_is_a_replica_lets_nobody_look(
    settings: Settings, valkey: ValkeyServer
) -> None:
    with valkey.client() as client:
        client.replicaof("127.0.0.1", str(free_port()))
        try:
            seen = looked(settings).redis
        finally:
            client.replicaof("NO", "ONE")
    assert seen.problem is None
    assert seen.unwatched is not None
    assert "replica" in seen.unwatched


def test_a_database_that_is_away_is_seen(settings: Settings) -> None:
    away = f"mysql://footfall@127.0.0.1:{free_port()}/footfall"
    assert looked(settings, database_url=away).database.problem is not None


def test_a_database_that_is_behind_is_seen(sources: Sources, writing: Engine) -> None:
    assert look(sources, now_ms()).database.lack == ""
    with writing.begin() as connection:
        connection.exec_driver_sql("DROP TABLE api_keys")
    assert look(sources, now_ms()).database.lack == "lacks the table api_keys"


def test_keys_that_hold_are_seen(sources: Sources, writing: Engine) -> None:
    with writing.begin() as connection:
        add_row(connection, "ff_ends", Kind.READ, now=1, expires_at=2)
        add_row(connection, "ff_revoked", Kind.READ, now=1, revoked_at=2)
    assert [key.key_id for key in look(sources, now_ms()).database.keys] == ["ff_ends"]


def test_what_is_not_merged_is_seen(sources: Sources, store: Store) -> None:
    assert look(sources, now_ms()).database.not_merged == []
    store(make_event(1))  # months ago, by the clock of who looks
    (told,) = look(sources, now_ms()).database.not_merged
    assert "1 events" in told


def test_an_open_data_dir_is_seen(settings: Settings) -> None:
    settings.data_dir.chmod(0o755)
    assert "0755" in str(looked(settings).data_dir_problem)
    settings.data_dir.chmod(0o700)
    assert looked(settings).data_dir_problem is None


@pytest.fixture
def app(reporting_settings: Settings, writing: Engine) -> Iterator[Reporting]:
    app = create_app(dataclasses.replace(reporting_settings, api_auth="root"))
    yield app
    app.close()


def ask(client: FlaskClient) -> Any:
    answer = client.get("/doctor", headers={"Authorization": "root"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.get_json()


def test_the_doctor_is_asked_over_http(app: Reporting, queue: EventQueue) -> None:
    watching = Watching(queue)
    first = ask(app.test_client())
    assert first["requests"] == []
    assert watching.is_asked()
    watching.tell([NOTED])
    told = ask(app.test_client())
    assert [(each["at"], each["status"]) for each in told["requests"]] == [
        ("2025-11-15T09:46:40.123Z", 202)
    ]
    assert not told["is_well"]
    assert "no_workers" in {finding["code"] for finding in told["findings"]}


def test_where_nothing_answers_that_is_the_answer(reporting_settings: Settings) -> None:
    away = dataclasses.replace(
        reporting_settings,
        api_auth="root",
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        database_url=f"mysql://footfall@127.0.0.1:{free_port()}/footfall",
    )
    app = create_app(away)
    codes = {finding["code"] for finding in ask(app.test_client())["findings"]}
    app.close()
    assert {"redis_away", "database_away"} <= codes
