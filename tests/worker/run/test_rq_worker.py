"""RQ's worker as we run it: it stops when asked, and runs no function but ours."""

from pathlib import Path

from shared.queue.connections import connect
from shared.queue.event_queue import EventQueue, rq_queue
from shared.settings import Settings
from worker.run.rq_worker import QuietWorker
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
