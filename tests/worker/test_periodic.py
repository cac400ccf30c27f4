"""Periodic jobs: what is due when, and what a failed one leaves."""

import time
from datetime import timedelta

import pytest
from rq.utils import now

from shared.db.database import writing_engine
from shared.queue.connections import connect
from shared.queue.event_queue import (
    COMPACT_JOB,
    ERASE_JOB,
    LATE_SEGMENTS_JOB,
    SITE_BOOK_JOB,
    EventQueue,
    rq_queue,
)
from shared.settings import Settings
from tests.counted import commit, differences, varied_events
from tests.merged import unmerged
from tests.migration import migrate
from tests.servers import free_port, wait_until
from tests.stack import PeriodicProcess
from tests.worker.conftest import BecomePeriodic
from worker import jobs, periodic
from worker.periodic import make_scheduler
from worker.run.rq_worker import QuietWorker
from worker.stopping import StopFlag
from worker.upkeep.merging import Merger

NAME = "periodic"


@pytest.fixture
def _without_database(settings: Settings, become_periodic: BecomePeriodic) -> None:
    """This process has the environment of the periodic one, whose database is away."""
    become_periodic(settings, DATABASE_URL=f"mysql://nobody@127.0.0.1:{free_port()}/none")


@pytest.mark.usefixtures("_without_database")
def test_a_failed_job_leaves_nothing_for_the_next_does_its_work(
    settings: Settings, queue: EventQueue, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = make_scheduler(queue.redis, NAME)
    scheduled = {job.func_name for job in scheduler.enqueue_jobs()}
    waiting = rq_queue(NAME, queue.redis)
    assert len(waiting.job_ids) == len(scheduled) == 12
    client = connect(settings, timeout_seconds=5)
    QuietWorker(rq_queue(NAME, client), client, StopFlag()).work(burst=True)
    assert "the database is unavailable" in caplog.text
    assert queue.redis.keys("rq:job:*") == queue.redis.keys("rq:results:*") == []
    client.close()


@pytest.mark.usefixtures("_without_database")
def test_a_job_that_goes_on_leaves_nothing_either(queue: EventQueue) -> None:
    jobs.go_on(COMPACT_JOB)
    [job] = rq_queue(f"{queue.rq.name}-periodic", queue.redis).jobs
    assert (job.result_ttl, job.failure_ttl) == (0, 0)


def test_a_clock_that_is_set_back_delays_no_job(
    queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = make_scheduler(queue.redis, NAME)
    assert len(scheduler.enqueue_jobs()) == 12
    assert scheduler.enqueue_jobs() == []
    passed = time.monotonic() + periodic.COMPACT_SECONDS
    for job in scheduler.get_jobs():
        job.next_enqueue_time = now() + timedelta(hours=1)
    monkeypatch.setattr(time, "monotonic", lambda: passed)
    due = {job.func_name for job in scheduler.enqueue_jobs()}
    assert due == {COMPACT_JOB, ERASE_JOB, LATE_SEGMENTS_JOB, SITE_BOOK_JOB}


def test_the_process_merges_beside_its_jobs(settings: Settings) -> None:
    engine = writing_engine(settings)
    migrate(engine)
    commit(engine, "b", varied_events(1, 50))
    assert sum(unmerged(engine).values()) == 50
    with PeriodicProcess(settings):
        wait_until(lambda: not unmerged(engine))
    assert differences(settings) == []
    engine.dispose()


@pytest.mark.usefixtures("_without_database")
def test_a_worker_merges_where_too_much_waits() -> None:
    """What that does is told in tests/worker/upkeep/test_merging.py."""
    relieve = jobs.runtime().relieve
    assert relieve.__func__ is Merger.relieve  # type: ignore[attr-defined]
