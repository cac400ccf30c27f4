"""The periodic job that makes segments."""

import pytest
from sqlalchemy import Engine

from shared.queue.event_queue import SEGMENTS_JOB, EventQueue, periodic_queue_name, rq_queue
from shared.settings import Settings
from tests.counted import commit, varied_events
from tests.segmented import held, in_force
from tests.worker.conftest import BecomePeriodic
from worker import jobs
from worker.periodic import make_scheduler
from worker.run.rq_worker import KNOWN_JOBS
from worker.upkeep import segments as building


@pytest.fixture
def as_periodic(
    engine: Engine, database_settings: Settings, become_periodic: BecomePeriodic
) -> None:
    """This process has the environment of the periodic one."""
    become_periodic(database_settings)


def test_the_job_is_followed_by_one_other_until_all_is_made(
    engine: Engine, as_periodic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(engine, "b", varied_events(1, 100))
    queue = rq_queue(periodic_queue_name(jobs.settings()), jobs.runtime().queue.redis)
    budget = building.BUDGET_SECONDS
    monkeypatch.setattr(building, "BUDGET_SECONDS", 0.0)
    jobs.build_segments()
    jobs.build_segments()
    assert [job.func_name for job in queue.jobs] == [SEGMENTS_JOB]
    queue.connection.delete(queue.key)
    monkeypatch.setattr(building, "BUDGET_SECONDS", budget)
    jobs.build_segments()
    assert queue.count == 0
    assert [len(in_force(engine, site)) for site in "ab"] == [3, 3]


def test_a_job_that_is_stopped_is_followed_by_none(engine: Engine, as_periodic: None) -> None:
    commit(engine, "b", varied_events(1, 100))
    queue = rq_queue(periodic_queue_name(jobs.settings()), jobs.runtime().queue.redis)
    jobs.runtime().stopping.set()
    jobs.build_segments()
    assert queue.count == len(held(engine)) == 0


def test_the_job_is_scheduled_and_known(queue: EventQueue) -> None:
    scheduled = make_scheduler(queue.redis, "periodic").get_jobs()
    assert SEGMENTS_JOB in {job.func_name for job in scheduled} & KNOWN_JOBS
