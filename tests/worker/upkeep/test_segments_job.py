"""The periodic job that makes segments."""

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from shared.clock import HOUR_MS, now_ms
from shared.counts.pending import Pending
from shared.queue.event_queue import (
    LATE_SEGMENTS_JOB,
    SEGMENTS_JOB,
    EventQueue,
    periodic_queue_name,
    rq_queue,
)
from shared.settings import Settings
from tests.counted import commit, varied_events
from tests.events import make_event
from tests.segmented import events_in, held, in_force
from tests.worker.conftest import BecomePeriodic
from worker import jobs
from worker.periodic import make_scheduler
from worker.run.rq_worker import KNOWN_JOBS
from worker.upkeep import merging
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


def test_a_site_that_very_many_late_events_came_to_has_its_segments_soon(
    engine: Engine, as_periodic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late is what is merged into hours that are over; and of other sites none are made yet."""
    monkeypatch.setattr(merging, "LATE_EVENTS", 5)
    commit(engine, "b", events_in(1, 2, 2.5, 3, batch="few"))
    commit(engine, "c", [replace(event, site_id="b") for event in events_in(1, 2, 3, 4, 5)])
    jobs.build_late_segments()
    assert jobs.merger().merge_all() == 9
    jobs.build_late_segments()
    assert (held(engine, "a"), len(held(engine, "b"))) == ([], 1)
    assert in_force(engine, "b") == held(engine, "b")
    commit(engine, "d", events_in(4, batch="one more"))
    jobs.merger().merge_all()
    monkeypatch.setattr(building, "BUDGET_SECONDS", -1.0)
    jobs.build_late_segments()
    assert held(engine, "a") == []  # time was up: the next run goes on
    monkeypatch.setattr(building, "BUDGET_SECONDS", 5.0)
    jobs.build_late_segments()
    assert [segment.events for segment in in_force(engine, "a")] == [5]
    assert jobs.merger().take_late() == []


def test_what_very_many_events_come_into_is_made_anew_once_it_has_twice_as_many(
    engine: Engine, as_periodic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "LATE_EVENTS", 1)

    def made_of(*hours: float, batch: str) -> list[int]:
        commit(engine, batch, events_in(*hours, batch=batch))
        jobs.merger().merge_all()
        jobs.build_late_segments()
        return [segment.events for segment in held(engine)]

    assert made_of(1, 2, 3, batch="c") == [3]
    assert made_of(1, 2, batch="d") == [3]
    assert made_of(2, batch="e") == [6]
    assert made_of(2, batch="f") == [6]
    jobs.build_segments()
    assert [segment.events for segment in in_force(engine)] == [7]
    assert made_of(1, batch="g") == [8]  # all were made: what comes now is the first again


def test_events_of_now_are_not_late(engine: Engine, as_periodic: None) -> None:
    moment = now_ms()
    commit(engine, "b", [make_event(1, site_id="a", timestamp=moment)])
    jobs.merger().merge_all()
    assert jobs.merger().late == {}
    jobs.merger().note_late([(("a", moment - HOUR_MS, "b"), Pending(moment, 7, {}))], moment)
    assert jobs.merger().late == {"a": 7}


@pytest.mark.parametrize("job", [SEGMENTS_JOB, LATE_SEGMENTS_JOB])
def test_the_job_is_scheduled_and_known(queue: EventQueue, job: str) -> None:
    scheduled = make_scheduler(queue.redis, "periodic").get_jobs()
    assert job in {one.func_name for one in scheduled} & KNOWN_JOBS
