"""The comparison of each night: when it is due, of what, and what is left of it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, delete

from shared.clock import DAY_MS, HOUR_MS
from shared.db.database import writing_engine
from shared.db.tables import events_by_hour
from shared.queue.event_queue import EventQueue
from shared.queue.verification import Verification
from shared.settings import Settings
from tests.counted import TODAY, commit, reader_beside, varied_events
from tests.merged import merge
from tests.migrated import MigratedFile
from worker.stopping import StopFlag
from worker.verify.nightly import NIGHT_MS, verify_nightly

NOON = TODAY + 12 * HOUR_MS


@pytest.fixture
def reader(settings: Settings, migrated_file: MigratedFile) -> Iterator[Engine]:
    migrated_file.copy_to(settings.data_dir / "footfall.db")
    engine = writing_engine(settings)
    commit(engine, "b", varied_events(1, 60))
    merge(engine)
    with engine.begin() as connection:
        of_before = events_by_hour.c.bucket < TODAY - DAY_MS
        connection.execute(delete(events_by_hour).where(of_before))
    reader = reader_beside(engine)
    yield reader
    reader.dispose()
    engine.dispose()


def turn(reader: Engine, queue: EventQueue, now: int) -> bool:
    return verify_nightly(reader, queue, lambda: now, StopFlag())


def test_it_runs_once_a_night_of_what_is_new(reader: Engine, queue: EventQueue) -> None:
    assert turn(reader, queue, NOON)
    assert queue.fetch_verification() == Verification(TODAY - DAY_MS, NOON, NOON, 0)
    before, after = TODAY + DAY_MS + NIGHT_MS - 1, TODAY + DAY_MS + NIGHT_MS
    for now, begun in ((before, NOON), (after, after), (after + HOUR_MS, after)):
        assert turn(reader, queue, now)
        found = queue.fetch_verification()
        assert found is not None
        assert (found.since, found.until) == (TODAY if begun == after else TODAY - DAY_MS, begun)


def test_days_on_which_none_ran_are_made_up_for(
    reader: Engine, queue: EventQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.end_verifying(Verification(0, TODAY - 2 * DAY_MS, 0, 0))
    assert turn(reader, queue, NOON)
    found = queue.fetch_verification()
    assert found is not None
    assert found.since == TODAY - 2 * DAY_MS
    assert found.differences > 0
    assert "events_by_hour: site='a' bucket=2025-11-13T00:00:00Z" in caplog.text


def test_one_that_is_stopped_goes_on_with_what_it_had_found(
    reader: Engine, queue: EventQueue
) -> None:
    queue.end_verifying(Verification(0, TODAY - 2 * DAY_MS, 0, 0))
    stopping = StopFlag()
    stopping.set()
    assert not verify_nightly(reader, queue, lambda: NOON, stopping)
    assert queue.fetch_verifying() is not None
    assert turn(reader, queue, NOON + HOUR_MS)
    found = queue.fetch_verification()
    assert found is not None
    assert (found.until, found.ended_at) == (NOON, NOON + HOUR_MS)
    assert found.differences > 0
    assert queue.fetch_verifying() is None
