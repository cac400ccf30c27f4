"""Raw events past MAX_AGE go, their counts stay, and nobody is misled about what is left."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, func, select, update

from reporting.app import create_app
from shared.clock import DAY_MS
from shared.counts.rollups import LEVELS, TOTAL
from shared.db.tables import events, events_by_day, events_by_minute, sites
from shared.errors import BadSetting
from shared.event import Event
from shared.queue.event_queue import DRAIN_JOB, PRUNE_JOB, EventQueue, periodic_queue_name, rq_queue
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, rebuild_all
from tests.events import NOW, make_event
from tests.merged import merge
from tests.worker.conftest import BecomePeriodic
from worker import jobs
from worker.periodic import make_scheduler
from worker.run.rq_worker import KNOWN_JOBS
from worker.stopping import StopFlag
from worker.stored.extent import fetch_pruned_before
from worker.upkeep import retention
from worker.upkeep.ages import Oldest

ROLLUPS = (
    events_by_minute,
    *(table for level in LEVELS for table in (level.events, level.users)),
    sites,
)


def rows(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def dated_events(seed: int, *ages_days: float, number: int = 20) -> list[Event]:
    """Events that happened so many days before NOW, of two sites."""
    return [
        make_event(
            n,
            event_id=f"{seed}-{age}-{n}",
            site_id="ab"[n % 2],
            timestamp=NOW - int(age * DAY_MS),
            user_id=f"u{n}",
        )
        for age in ages_days
        for n in range(number)
    ]


def pruned_before(engine: Engine, site_id: str = "a") -> int | None:
    with engine.connect() as connection:
        return fetch_pruned_before(connection, site_id)


def days_with_events(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        moments = connection.scalars(select(events.c.timestamp)).all()
    return sorted({(TODAY - moment // DAY_MS * DAY_MS) // DAY_MS for moment in moments})


def test_events_past_their_age_go_by_whole_days_and_their_counts_stay(
    engine: Engine, database_settings: Settings
) -> None:
    # NOW is 09:46: what is 2.3 days old shares its day with younger ones, 2.5 days do not.
    commit(engine, "b", dated_events(1, 0, 1, 2, 2.3, 2.5, 9))
    merge(engine)
    before = [rows(engine, table) for table in ROLLUPS]
    assert retention.prune_events(engine, NOW, 2, StopFlag())
    assert days_with_events(engine) == [0, 1, 2]
    assert pruned_before(engine) == TODAY - 2 * DAY_MS
    assert [rows(engine, table) for table in ROLLUPS] == before
    assert differences(database_settings) == []
    assert rebuild_all(engine).pruned_days == {TODAY - 9 * DAY_MS, TODAY - 3 * DAY_MS}
    assert [rows(engine, table) for table in ROLLUPS] == before
    assert differences(database_settings) == []


def test_events_that_wait_to_be_merged_are_counted_when_they_are_gone(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", dated_events(1, 0, 3))
    assert retention.prune_events(engine, NOW, 2, StopFlag())
    assert days_with_events(engine) == [0]
    assert differences(database_settings) == []
    assert merge(engine) == 40
    assert differences(database_settings) == []
    with engine.connect() as connection:
        total = events_by_day.c.dimension == TOTAL
        assert connection.scalar(select(func.sum(events_by_day.c.events)).where(total)) == 40


def test_the_counts_of_pruned_days_are_still_answered(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", dated_events(1, 0, 3))
    merge(engine)
    client = create_app(database_settings).test_client()
    asked = {"site_id": "a", "date": "2025-11-12"}
    before = client.get("/stats", query_string=asked).get_json()
    retention.prune_events(engine, NOW, 2, StopFlag())
    assert client.get("/stats", query_string=asked).get_json() == before
    assert before["total_views"] == before["unique_users"] == 10


def test_events_are_deleted_in_chunks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK_ROWS", 7)
    commit(engine, "b", dated_events(1, 5, 6))
    deleted: list[int] = []

    def look(connection: Connection) -> None:
        deleted.append(connection.scalar(select(func.count()).select_from(events)) or 0)

    event.listen(engine, "commit", look)
    assert retention.prune_events(engine, NOW, 2, StopFlag())
    assert rows(engine, events) == 0
    # It is looked for, and said, before any goes. Then of two sites of twenty each seven at a time,
    # and what is left over.
    assert deleted == [*[40] * 4, 33, 26, 20, 13, 6, 0]


def test_late_events_of_a_pruned_day_are_counted_and_go_with_the_next_run(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", dated_events(1, 0, 5))
    retention.prune_events(engine, NOW, 2, StopFlag())
    commit(engine, "c", dated_events(2, 5))
    assert days_with_events(engine) == [0, 5]
    assert differences(database_settings) == []
    rebuild_all(engine)
    merge(engine)
    retention.prune_events(engine, NOW, 2, StopFlag())
    assert days_with_events(engine) == [0]
    with engine.connect() as connection:
        day = (events_by_day.c.bucket == TODAY - 5 * DAY_MS, events_by_day.c.dimension == TOTAL)
        counted = select(func.sum(events_by_day.c.events)).where(*day)
        assert connection.scalar(counted) == 40


def test_a_longer_age_does_not_bring_back_what_is_gone(engine: Engine) -> None:
    commit(engine, "b", dated_events(1, 0, 5, 50))
    retention.prune_events(engine, NOW, 30, StopFlag())
    assert pruned_before(engine) == TODAY - 30 * DAY_MS
    retention.prune_events(engine, NOW, 2, StopFlag())
    commit(engine, "c", dated_events(2, 50))
    retention.prune_events(engine, NOW, 30, StopFlag())
    assert pruned_before(engine) == TODAY - 2 * DAY_MS


def test_nothing_is_said_to_be_pruned_where_nothing_is_old(engine: Engine) -> None:
    commit(engine, "b", dated_events(1, 0, 5))
    assert retention.prune_events(engine, NOW, 30, StopFlag())
    assert pruned_before(engine) is None


def test_pruning_stops_when_asked_and_when_its_time_is_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(engine, "b", dated_events(1, 5))
    stopping = StopFlag()
    stopping.set()
    assert not retention.prune_events(engine, NOW, 2, stopping)
    monkeypatch.setattr(retention, "BUDGET_SECONDS", 0.0)
    assert not retention.prune_events(engine, NOW, 2, StopFlag())
    assert rows(engine, events) == 20
    monkeypatch.undo()
    assert retention.prune_events(engine, NOW, 2, StopFlag())
    assert rows(engine, events) == 0


def test_what_comes_before_deleting_takes_none_of_its_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many sites it takes longer than that."""
    commit(engine, "b", dated_events(1, 5))
    monkeypatch.setattr(retention, "BUDGET_SECONDS", 0.2)
    find = retention.fetch_outdated

    def slowly(engine: Engine, oldest: Oldest) -> dict[str, int]:
        time.sleep(0.3)
        return find(engine, oldest)

    monkeypatch.setattr(retention, "fetch_outdated", slowly)
    retention.prune_events(engine, NOW, 2, StopFlag())
    assert rows(engine, events) < 20


def test_events_that_no_rollup_counts_yet_stay(engine: Engine) -> None:
    commit(engine, "b", dated_events(1, 5))
    merge(engine)
    with engine.begin() as connection:
        connection.execute(delete(sites).where(sites.c.site_id == "a"))
        half_rebuilt = update(sites).where(sites.c.site_id == "b")
        connection.execute(half_rebuilt.values(first_event=TODAY, last_event=TODAY))
    assert retention.prune_events(engine, NOW, 2, StopFlag())
    assert rows(engine, events) == 20
    assert pruned_before(engine) is None
    rebuild_all(engine)
    assert retention.prune_events(engine, NOW, 2, StopFlag())
    assert rows(engine, events) == 0


@pytest.fixture
def job_settings(
    database_settings: Settings, become_periodic: BecomePeriodic
) -> Callable[..., None]:
    """Sets the environment of the periodic process, which is this one."""
    return partial(become_periodic, database_settings)


def test_without_max_age_the_job_deletes_nothing(
    engine: Engine, job_settings: Callable[..., None]
) -> None:
    job_settings()
    commit(engine, "b", dated_events(1, 5))
    jobs.prune_events()
    assert rows(engine, events) == 20


def test_the_job_is_followed_by_one_other_until_all_is_deleted(
    engine: Engine, job_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_settings(MAX_AGE="2")
    commit(engine, "b", dated_events(1, 5))
    queue = rq_queue(periodic_queue_name(jobs.settings()), jobs.runtime().queue.redis)
    monkeypatch.setattr(retention, "BUDGET_SECONDS", 0.0)
    jobs.prune_events()
    jobs.prune_events()
    assert [job.func_name for job in queue.jobs] == [PRUNE_JOB]
    queue.connection.delete(queue.key)
    monkeypatch.undo()
    jobs.prune_events()
    assert queue.count == rows(engine, events) == 0


@pytest.mark.parametrize("value", ["0", "36501", "-1", "1.5", "a year"])
def test_an_age_that_makes_no_sense_is_refused(value: str) -> None:
    with pytest.raises(BadSetting, match="MAX_AGE: must be "):
        Settings.from_env({"MAX_AGE": value})


def test_every_periodic_job_is_one_that_workers_run(queue: EventQueue) -> None:
    scheduled = make_scheduler(queue.redis, "periodic").get_jobs()
    assert {job.func_name for job in scheduled} == KNOWN_JOBS - {DRAIN_JOB}
