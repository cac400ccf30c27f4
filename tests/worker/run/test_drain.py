"""The loop of a job: what waits is stored, and the queue is left in order however it ends."""

import dataclasses
import threading
import time
from typing import Any

import pytest
import redis
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from sqlalchemy import create_engine, func, select

from shared.db.tables import events
from shared.errors import Unavailable
from shared.event import encode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.events import make_event
from tests.servers import wait_until
from worker.batch.commit import commit_batch
from worker.run import drain as draining
from worker.run.drain import Runtime, drain
from worker.stopping import StopFlag


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "PAUSE_SECONDS", 0.01)


def stored(runtime: Runtime) -> int:
    with runtime.engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(events)) or 0)


def push(queue: EventQueue, numbers: range) -> None:
    queue.push([encode_event(make_event(number)) for number in numbers])


def test_all_that_waits_is_stored_and_nothing_is_left_in_redis(
    runtime: Runtime, settings: Settings
) -> None:
    queue = EventQueue(dataclasses.replace(settings, batch_size=30))
    push(queue, range(100))
    drain(Runtime(queue, runtime.engine, StopFlag()))
    assert stored(runtime) == 100
    backlog = queue.snapshot()
    assert (backlog.accepted, backlog.queued, backlog.processing) == (100, 0, 0)
    assert not queue.redis.exists(queue.awake)


def test_before_each_batch_a_worker_relieves_and_stores_also_where_it_cannot(
    runtime: Runtime, settings: Settings
) -> None:
    queue = EventQueue(dataclasses.replace(settings, batch_size=30))
    push(queue, range(60))
    seen: list[int] = []

    def relieve() -> None:
        seen.append(queue.snapshot().queued)
        raise Unavailable("database_unavailable", "it is away")

    drain(Runtime(queue, runtime.engine, StopFlag(), relieve=relieve))
    assert seen[:3] == [60, 30, 0]
    assert stored(runtime) == 60


def test_a_batch_committed_before_its_worker_died_is_only_forgotten(runtime: Runtime) -> None:
    push(runtime.queue, range(5))
    batch = runtime.queue.claim()
    assert batch is not None
    commit_batch(runtime.engine, batch, 0)
    runtime.queue.release(batch.id)
    drain(runtime)
    assert stored(runtime) == 5
    assert runtime.queue.snapshot().batch_ids == []


def test_a_request_to_stop_leaves_the_rest_to_others(runtime: Runtime) -> None:
    push(runtime.queue, range(5))
    runtime.queue.redis.delete(runtime.queue.rq.key)
    runtime.stopping.set()
    drain(runtime)
    assert stored(runtime) == 0
    assert runtime.queue.snapshot().queued == 5
    assert runtime.queue.rq.count == 1


def test_while_the_database_is_away_the_batch_is_kept(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "BUDGET_SECONDS", 0.5)
    push(runtime.queue, range(5))
    away = create_engine("mysql+pymysql://nobody@127.0.0.1:1/none")
    drain(Runtime(runtime.queue, away, runtime.stopping))
    backlog = runtime.queue.snapshot()
    assert backlog.queued + backlog.processing == 5
    assert runtime.queue.rq.count >= 1
    drain(runtime)
    assert stored(runtime) == 5


def test_a_bug_stops_the_line_and_loses_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def buggy(*_: Any) -> None:
        raise ZeroDivisionError

    push(runtime.queue, range(5))
    with monkeypatch.context() as patched:
        patched.setattr(draining, "commit_batch", buggy)
        with pytest.raises(ZeroDivisionError):
            drain(runtime)
    assert runtime.queue.claim() is None
    assert runtime.queue.snapshot().failed_batches == 1
    runtime.queue.redis.delete(runtime.queue.halted)  # as its expiry does after 30 s
    drain(runtime)
    assert stored(runtime) == 5
    assert runtime.queue.snapshot().failed_batches == 0


def test_the_time_out_of_a_job_that_was_stopped_is_no_bug(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: Any) -> None:
        time.sleep(30)

    push(runtime.queue, range(5))
    with monkeypatch.context() as patched:
        patched.setattr(draining, "commit_batch", hang)
        with UnixSignalDeathPenalty(1, JobTimeoutException):  # type: ignore[no-untyped-call]
            drain(runtime)
    assert not runtime.queue.redis.exists(runtime.queue.halted)
    assert runtime.held is None
    assert runtime.queue.snapshot().failed_batches == 0
    assert runtime.queue.neglected() or runtime.queue.rq.count
    drain(runtime)
    assert stored(runtime) == 5


def test_a_redis_that_fails_after_the_commit_stops_no_other_worker(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_batch_id: str) -> None:
        raise redis.TimeoutError

    push(runtime.queue, range(5))
    with monkeypatch.context() as patched:
        patched.setattr(runtime.queue, "finish", fail)
        with pytest.raises(redis.TimeoutError):
            drain(runtime)
    assert runtime.held is None
    backlog = runtime.queue.snapshot()
    assert backlog.failed_batches == 0
    runtime.queue.release(backlog.batch_ids[0])  # as its lease does when it runs out
    drain(runtime)
    assert stored(runtime) == 5
    assert runtime.queue.snapshot().processing == 0


def test_a_full_redis_is_emptied(runtime: Runtime) -> None:
    """At its memory limit Redis refuses RQ everything, and only the workers can make room."""
    push(runtime.queue, range(500))
    runtime.queue.redis.config_set("maxmemory", 1)
    try:
        drain(runtime)
    finally:
        runtime.queue.redis.config_set("maxmemory", 0)
    assert stored(runtime) == 500


def test_events_that_trickle_in_are_stored_by_one_job(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "LINGER_ROUNDS", 1000)  # however slowly this test pushes
    push(runtime.queue, range(1))
    thread = threading.Thread(target=drain, args=(runtime,))
    runtime.queue.redis.delete(runtime.queue.rq.key)  # the job that this thread now is
    thread.start()
    for number in range(1, 20):
        push(runtime.queue, range(number, number + 1))
        time.sleep(0.005)
    wait_until(lambda: stored(runtime) == 20)
    runtime.stopping.set()
    thread.join()
    assert runtime.queue.rq.count <= 1
