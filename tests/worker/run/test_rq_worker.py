"""RQ's worker as we run it: it stops when asked, and runs no function but ours."""

import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.job import Job

from shared.queue.connections import CONNECT_TIMEOUT_SECONDS, connect
from shared.queue.event_queue import DRAIN_JOB, EventQueue, rq_queue
from shared.settings import Settings
from tests.servers import ValkeyServer, wait_until
from worker import jobs
from worker.run.rq_worker import RECONNECT_SECONDS, QuietWorker
from worker.stopping import StopFlag


def make_worker(settings: Settings) -> QuietWorker:
    connection = connect(settings, timeout_seconds=5)
    queue = rq_queue(settings.redis_queue_name, connection)
    return QuietWorker(queue, connection, StopFlag())


def test_a_job_that_is_none_of_ours_is_refused_and_forgotten(
    settings: Settings, queue: EventQueue, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    job = queue.rq.enqueue("os.mkdir", str(victim))
    worker = make_worker(settings)
    worker.work(burst=True, logging_level="WARNING")
    assert not victim.exists()
    assert not queue.redis.exists(job.key)
    assert queue.rq.count == 0
    assert queue.redis.llen(queue.rq.intermediate_queue_key) == 0


def test_a_job_whose_data_is_no_json_is_refused(settings: Settings, queue: EventQueue) -> None:
    job = queue.rq.enqueue("worker.jobs.drain")
    queue.redis.hset(job.key, "data", b"\x80\x04pickle")
    make_worker(settings).work(burst=True, logging_level="WARNING")
    assert not queue.redis.exists(job.key)


def assert_told_in_a_line(log: str) -> None:
    assert "Redis is looked for anew: " in log
    assert "Traceback" not in log


@pytest.mark.parametrize("moment", ["in it", "behind it"])
def test_a_redis_that_goes_away_with_a_job_is_no_bug(
    settings: Settings,
    queue: EventQueue,
    valkey: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    moment: str,
) -> None:
    def execute(worker: QuietWorker, job: Job, its_queue: Queue) -> None:
        SimpleWorker.execute_job(worker, job, its_queue)
        valkey.kill()

    monkeypatch.setattr(jobs, "drain", valkey.kill if moment == "in it" else lambda: None)
    if moment == "behind it":
        monkeypatch.setattr(QuietWorker, "execute_job", execute)
    queue.rq.enqueue(DRAIN_JOB)
    with pytest.raises(redis.RedisError):
        make_worker(settings).work(burst=True, logging_level="WARNING")
    assert_told_in_a_line(caplog.text)


def test_a_redis_that_becomes_a_replica_during_a_wait_is_no_bug(
    settings: Settings, valkey: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    def demote() -> None:
        with valkey.client() as admin:
            wait_until(lambda: admin.info("clients")["blocked_clients"])
            admin.replicaof("127.0.0.1", "1")

    demotion = threading.Thread(target=demote)
    demotion.start()
    with pytest.raises(redis.RedisError):
        make_worker(settings).work(logging_level="WARNING")
    demotion.join()
    with valkey.client() as admin:
        admin.replicaof("NO", "ONE")
    assert_told_in_a_line(caplog.text)


@pytest.mark.parametrize(
    ("error", "is_bug"), [(redis.ConnectionError("gone"), False), (ValueError("a bug"), True)]
)
def test_a_job_that_fails_for_a_server_tells_no_line_of_code(
    settings: Settings,
    queue: EventQueue,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    is_bug: bool,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(jobs, "drain", fail)
    queue.rq.enqueue(DRAIN_JOB)
    make_worker(settings).work(burst=True, logging_level="WARNING")
    assert str(error) in caplog.text
    assert ("Traceback" in caplog.text) is is_bug


def test_a_redis_that_has_gone_without_a_word_is_noticed_within_half_a_minute(
    settings: Settings,
) -> None:
    worker = make_worker(settings)
    waits_seconds = worker.connection.connection_pool.connection_kwargs["socket_timeout"]
    assert waits_seconds > worker.dequeue_timeout
    assert waits_seconds + RECONNECT_SECONDS + CONNECT_TIMEOUT_SECONDS < 30


def test_a_worker_that_ends_without_redis_leaves_no_thread(
    settings: Settings, valkey: ValkeyServer
) -> None:
    worker = make_worker(settings)
    worker.bootstrap("WARNING")
    thread: Any = worker.pubsub_thread
    with valkey.client() as admin:
        admin.replicaof("127.0.0.1", "1")
        with pytest.raises(redis.exceptions.ReadOnlyError):
            worker.teardown()
        admin.replicaof("NO", "ONE")
    thread.join(10)
    assert not thread.is_alive()


def test_a_stop_that_comes_while_it_is_registered_is_kept(
    settings: Settings, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handlers of before set the flag; those of RQ's worker come when it is registered."""
    worker = make_worker(settings)
    register = worker.register_birth

    def register_birth() -> None:
        register()  # type: ignore[no-untyped-call]
        worker.stopping.set()

    monkeypatch.setattr(worker, "register_birth", register_birth)
    queue.rq.enqueue(DRAIN_JOB)
    assert not worker.work(burst=True, logging_level="WARNING")
    assert queue.rq.count == 1
