"""A site whose work fails is in no other site's way."""

import logging
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, func, select, text

from shared.clock import DAY_MS, HOUR_MS
from shared.db.database import reading_engine
from shared.db.tables import events, recent_users, segments
from shared.errors import PoisonEvent, Unavailable
from shared.settings import Settings
from tests.counted import TODAY, commit, varied_events
from tests.events import NOW, make_event
from tests.merged import merge_as_before
from tests.refused import refuse
from tests.segmented import build_all, held
from worker.stopping import StopFlag
from worker.upkeep.compaction import compact
from worker.upkeep.own_fault import AGAIN_SECONDS, Faults
from worker.upkeep.retention import prune_events
from worker.upkeep.segments import Failed, build_segments

# Does one kind of work, and tells these faults of what goes wrong.
Work = Callable[[Engine, Faults], object]


def test_a_site_whose_segments_are_refused_leaves_the_others_theirs(
    engine: Engine, database_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 100))
    refuse(engine, "segments", "INSERT", "a")
    with caplog.at_level(logging.ERROR):
        assert build_all(database_settings, engine)
    assert held(engine, "a") == []
    assert held(engine, "b")
    assert "site a" in caplog.text
    assert "refused" in caplog.text


def test_a_site_whose_events_cannot_be_deleted_leaves_the_others_go(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 100))
    refuse(engine, "events", "DELETE", "b")
    with caplog.at_level(logging.ERROR):
        assert prune_events(engine, NOW + 30 * DAY_MS, 7, StopFlag())
    with engine.connect() as connection:
        left = select(events.c.site_id, func.count()).group_by(events.c.site_id)
        assert [site_id for site_id, _ in connection.execute(left)] == ["b"]
    assert caplog.text.count("site b") == 1


def test_a_site_whose_users_cannot_be_compacted_leaves_the_others_theirs(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 100))
    merge_as_before(engine)
    refuse(engine, "users_by_day", "INSERT", "a")
    with caplog.at_level(logging.ERROR):
        assert compact(engine) > 0
    with engine.connect() as connection:
        waiting = connection.scalars(select(recent_users.c.site_id).distinct()).all()
    assert waiting == ["a"]
    assert caplog.text.count("site a") == 1


@pytest.fixture
def reader(database_settings: Settings) -> Iterator[Engine]:
    engine = reading_engine(database_settings)
    yield engine
    engine.dispose()


class Clock:
    """In seconds; it moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged since this was last asked."""
    lines = [f"{r.levelname} {r.getMessage()}" for r in caplog.records]
    caplog.clear()
    return lines


def test_a_fault_is_said_once_an_hour_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    faults = Faults("work", clock)

    def run(**failing: str) -> list[str]:
        for site_id, reason in failing.items():
            faults.note(site_id, PoisonEvent(reason))
        faults.end()
        return said(caplog)

    assert run(a="row 17 is bad") == ["ERROR work of site a: row 17 is bad; the rest goes on"]
    assert run(a="row 18 is bad") == []
    assert len(run(a="row 18 is bad", b="row 1 is bad")) == 1
    assert run(a="another", b="row 1 is bad") == [
        "ERROR work of site a: another; the rest goes on",
    ]
    clock.now += AGAIN_SECONDS - 1
    assert run(a="row 1 is bad", b="row 1 is bad") == []
    clock.now += 1
    assert len(run(a="row 1 is bad", b="row 1 is bad")) == 2
    assert run(b="row 1 is bad") == ["WARNING work of site a: fails no more"]
    assert run() == ["WARNING work of site b: fails no more"]
    assert run() == []
    assert len(run(a="row 1 is bad")) == 1


def prune(engine: Engine, faults: Faults) -> None:
    assert prune_events(engine, NOW + 30 * DAY_MS, 7, StopFlag(), faults)


@pytest.mark.parametrize(
    ("work", "table", "change"),
    [(compact, "users_by_day", "INSERT"), (prune, "events", "DELETE")],
)
def test_work_that_fails_again_and_again_says_so_once(
    engine: Engine, caplog: pytest.LogCaptureFixture, work: Work, table: str, change: str
) -> None:
    faults = Faults("work")
    commit(engine, "b", varied_events(1, 100))
    merge_as_before(engine)
    refuse(engine, table, change, "a")
    for _ in range(3):
        work(engine, faults)
    (line,) = said(caplog)
    assert line.startswith("ERROR work of site a: ")
    assert "refused" in line
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER refuse_{table}"))
    work(engine, faults)
    work(engine, faults)
    assert said(caplog) == ["WARNING work of site a: fails no more"]


def test_segments_that_fail_are_said_once_and_over_once_they_are_made(
    engine: Engine, reader: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    failed: Failed = {}
    faults = Faults("work")

    def build(now: int = NOW) -> list[str]:
        assert build_segments(reader, engine, now, StopFlag(), failed, faults)
        return said(caplog)

    commit(engine, "b", varied_events(1, 100))
    refuse(engine, "segments", "INSERT", "a")
    assert len(build()) == 1
    assert build() == []  # it is not tried, which is not to say that it is over
    assert build(NOW + HOUR_MS) == []
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER refuse_segments"))
    assert build(NOW + 2 * HOUR_MS) == ["WARNING work of site a: fails no more"]
    assert len(held(engine, "a")) == 3


def test_one_segment_that_cannot_be_written_leaves_the_site_its_others(
    engine: Engine, reader: Engine
) -> None:
    commit(engine, "b", varied_events(1, 200, sites="a"))
    is_latest = f"NEW.bucket >= {TODAY}"
    refuse(engine, "segments", "INSERT", "a", is_latest)
    failed: Failed = {}
    assert build_segments(reader, engine, NOW, StopFlag(), failed)
    with engine.connect() as connection:
        assert connection.scalar(select(func.max(segments.c.bucket))) < TODAY
    assert len(held(engine, "a")) == 2
    assert [segment.bucket >= TODAY for _, segment in failed] == [True]


def test_a_segment_that_fails_by_nobodys_own_fault_is_tried_again_at_once(
    engine: Engine, reader: Engine
) -> None:
    commit(engine, "b", varied_events(1, 100))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE segment_columns RENAME TO moved"))
    failed: Failed = {}
    with pytest.raises(Unavailable):
        build_segments(reader, engine, NOW, StopFlag(), failed)
    assert failed == {}
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE moved RENAME TO segment_columns"))
    assert build_segments(reader, engine, NOW, StopFlag(), failed)
    assert [len(held(engine, site)) for site in "ab"] == [3, 3]


def test_one_hour_that_cannot_be_compacted_leaves_the_site_its_others(engine: Engine) -> None:
    hours = [TODAY, TODAY + HOUR_MS, TODAY + 2 * HOUR_MS]
    commit(engine, "b", [make_event(n, site_id="a", timestamp=at) for n, at in enumerate(hours)])
    merge_as_before(engine)
    refuse(engine, "users_by_hour", "INSERT", "a", f"NEW.bucket = {hours[1]}")
    assert compact(engine) == 2
    with engine.connect() as connection:
        assert connection.scalars(select(recent_users.c.bucket)).all() == [hours[1]]
