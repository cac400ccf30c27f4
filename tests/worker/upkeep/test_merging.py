"""Merging what batches append: whenever and by whom, the rollups then say what the events say."""

import logging
import random
import threading
from collections import deque
from functools import partial

import pytest
from sqlalchemy import Engine, event, func, select, update

from shared.counts.user_sets import encode_sets
from shared.db.database import writing_engine
from shared.db.dialects import dialect_of
from shared.db.tables import (
    dimension_values,
    events,
    events_by_day,
    pending_counts,
    recent_users,
    site_locks,
    sites,
    users_by_day,
)
from shared.errors import Unavailable
from shared.settings import Settings
from tests.counted import commit, differences, insist, varied_events
from tests.events import NOW, make_event
from tests.merged import in_portions, merge, unmerged
from tests.refused import refuse
from tests.segmented import once
from worker.counting.users import Numbers, UserNumbers
from worker.stopping import StopFlag
from worker.upkeep import merging
from worker.upkeep.merging import MOST_ROWS, OLDER_SECONDS, SITE_EVENTS, WAIT_MS, Merger
from worker.upkeep.unmerged import fetch_keys, slices


def merger_of(engine: Engine) -> Merger:
    return Merger(engine, StopFlag())


def counted(engine: Engine, site_id: str = "a") -> int:
    """Events of all days in the rollups."""
    of_site = (events_by_day.c.site_id == site_id, events_by_day.c.dimension == "")
    with engine.begin() as connection:
        total = connection.scalar(select(func.sum(events_by_day.c.events)).where(*of_site))
    return int(total or 0)


def test_a_batch_only_appends(engine: Engine) -> None:
    commit(engine, "b", varied_events(1, 60))
    with engine.begin() as connection:
        for table in (events_by_day, users_by_day, recent_users, dimension_values):
            assert connection.scalar(select(func.count()).select_from(table)) == 0
    assert sum(unmerged(engine).values()) == 60


def test_what_is_merged_is_counted_as_the_events_are(
    engine: Engine, database_settings: Settings
) -> None:
    for number in range(4):
        commit(engine, f"b{number}", varied_events(number, 100))
    assert merge(engine) == 400
    assert unmerged(engine) == {}
    assert merge(engine) == 0
    assert differences(database_settings) == []


def test_merged_at_any_moment_the_rollups_say_the_same(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In portions of few events, so that hours, days and weeks are merged in several."""
    in_portions(monkeypatch, 7)
    random_ = random.Random(3)
    for number in range(20):
        commit(engine, f"b{number}", varied_events(number, random_.randrange(1, 40)))
        if random_.random() < 0.3:
            merge(engine)
    merge(engine)
    assert unmerged(engine) == {}
    assert differences(database_settings) == []


def test_several_at_once_with_batches_count_all_once(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_portions(monkeypatch, 30)
    is_over = threading.Event()

    def store(shift: int) -> None:
        for number in range(10 * shift, 10 * shift + 8):
            store_one = partial(commit, batch_id=f"b{number}", events=varied_events(number, 25))
            insist(database_settings, store_one)

    def keep_merging() -> None:
        while not is_over.is_set():
            insist(database_settings, merge)

    storing = [threading.Thread(target=store, args=(shift,)) for shift in range(3)]
    mergers = [threading.Thread(target=keep_merging) for _ in range(2)]
    for thread in storing + mergers:
        thread.start()
    for thread in storing:
        thread.join(120)
    is_over.set()
    for thread in mergers:
        thread.join(120)
    merge(engine)
    assert counted(engine) + counted(engine, "b") == 600
    assert differences(database_settings) == []


def test_users_are_numbered_while_merging_waits_for_a_batch(
    engine: Engine, database_settings: Settings
) -> None:
    """A server may let the DELETE wait for rows that a batch is about to commit."""
    if engine.dialect.name == "sqlite":
        return  # one writer at a time
    commit(engine, "b", [make_event(site_id="a", user_id="one")])
    other = writing_engine(database_settings)
    found: Numbers = {}

    def number() -> None:
        found.update(UserNumbers(other).of({("a", "two")}))

    with once(engine, "after", "DELETE /* worker.merge */", number):
        assert merge(engine) == 1
    assert len(found) == 1
    other.dispose()


def test_rows_that_another_has_merged_meanwhile_are_not_merged_again(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 40))
    mine = merger_of(engine)
    waiting = deque(slices(fetch_keys(engine)))
    assert merge(engine) == 40
    assert mine.merge_rows(waiting) == 0
    assert not waiting
    assert differences(database_settings) == []


# --- what is due


def at(engine: Engine, stored_at: int) -> None:
    with engine.begin() as connection:
        connection.execute(update(pending_counts).values(stored_at=stored_at))


def test_a_small_site_waits_for_more(engine: Engine) -> None:
    commit(engine, "b", [make_event(1, site_id="a")])
    merger = merger_of(engine)
    assert merger.merge_due(NOW, is_idle=False) == 0
    assert merger.merge_due(NOW + WAIT_MS - 1, is_idle=False) == 0
    assert merger.merge_due(NOW + WAIT_MS, is_idle=False) == 1


def test_a_large_site_does_not_wait(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "SITE_EVENTS", 5)
    assert SITE_EVENTS > 5
    commit(engine, "b", [make_event(n, site_id="ab"[n < 5]) for n in range(9)])
    assert merger_of(engine).merge_due(NOW, is_idle=False) == 5
    assert unmerged(engine) == {"a": 4}


def test_once_nothing_comes_all_is_merged(engine: Engine) -> None:
    merger = merger_of(engine)
    commit(engine, "b", [make_event(1)])
    assert merger.merge_due(NOW) == 0
    assert merger.merge_due(NOW, is_idle=False) == 0
    assert merger.merge_due(NOW) == 1


def test_what_cost_much_is_merged_in_larger_portions(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merging rests for as long as it took, and longer, until enough is there or nothing comes."""
    monkeypatch.setattr(merging, "SITE_EVENTS", 1)
    now = 100.0
    merger = Merger(engine, StopFlag(), clock=lambda: now)

    def work() -> None:
        nonlocal now
        now += 3.0

    commit(engine, "b1", [make_event(1)])
    with once(engine, "after", "INTO events_by_day", work):
        assert merger.merge_due(NOW, is_idle=False) == 1
    commit(engine, "b2", [make_event(2)])
    now += merging.REST * 3.0 - 0.5
    assert merger.merge_due(NOW, is_idle=False) == 0
    now += 1.0
    assert merger.merge_due(NOW, is_idle=False) == 1

    commit(engine, "b3", [make_event(3)])
    with once(engine, "after", "INTO events_by_day", work):
        assert merger.merge_due(NOW, is_idle=False) == 1
    commit(engine, "b4", [make_event(4), make_event(5)])
    assert merger.merge_due(NOW, is_idle=False) == 0
    assert merger.merge_due(NOW) == 2  # nothing came since

    commit(engine, "b5", [make_event(6)])
    merger.rests_until = now + 1.0
    merger.portion = 2
    assert merger.merge_due(NOW, is_idle=False) == 0
    commit(engine, "b6", [make_event(7)])
    assert merger.merge_due(NOW, is_idle=False) == 2


def test_a_transaction_takes_several_slices(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it would keep batches waiting; and fewer where their values differ."""
    in_portions(monkeypatch, 10)
    for number in range(12):
        commit(engine, f"b{number}", varied_events(number, 10))
    merger = merger_of(engine)
    merger.portion = 50
    waiting = deque(slices(fetch_keys(engine)))
    first = len(waiting[0])
    before = sum(map(len, waiting))
    merged = merger.merge_rows(waiting)
    if dialect_of(engine).locks_all:
        assert before - sum(map(len, waiting)) == first
    else:
        assert 10 < merged <= 50
    assert waiting
    merger.portion = 11  # of a slice fewer events, and more values
    before = len(waiting)
    merger.merge_rows(waiting)
    assert before - len(waiting) == 1
    merger.merge_all()
    assert unmerged(engine) == {}
    assert differences(database_settings) == []


def test_a_clock_that_is_behind_keeps_nothing_waiting_for_ever(engine: Engine) -> None:
    commit(engine, "b", [make_event(1)])
    at(engine, NOW + 10 * WAIT_MS)
    merger = merger_of(engine)
    merger.merge_due(NOW)
    assert merger.merge_due(NOW) == 1


# --- what fails


def test_a_row_that_cannot_be_read_is_told_and_the_others_are_merged(
    engine: Engine, database_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "good", varied_events(1, 30))
    commit(engine, "bad", [make_event(900, site_id="a")])
    with engine.begin() as connection:
        is_bad = pending_counts.c.batch_id == "bad"
        connection.execute(update(pending_counts).where(is_bad).values(data=b"\x00nonsense"))
    merger = merger_of(engine)
    with caplog.at_level(logging.ERROR):
        assert merger.merge_all() == 30
    assert "pending_counts" in caplog.text
    assert "of batch bad" in caplog.text
    assert unmerged(engine) == {"a": 1}


def test_a_site_that_fails_keeps_no_other_waiting(
    engine: Engine, database_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 60))
    refuse(engine, "events_by_day", "INSERT", "a")
    with caplog.at_level(logging.ERROR):
        merge(engine)
    assert "merging of site a" in caplog.text
    assert list(unmerged(engine)) == ["a"]
    assert counted(engine, "b") > 0


def test_a_stop_is_heard_between_two_portions(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_portions(monkeypatch, 1)
    commit(engine, "b", varied_events(1, 30))
    merger = merger_of(engine)
    with once(engine, "after", "INTO events_by_day", merger.stopping.set):
        merged = merger.merge_all()
    assert 0 < merged < 30
    assert sum(unmerged(engine).values()) == 30 - merged


def test_a_site_that_is_not_due_is_not_said_to_fail_no_more(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(engine, "events_by_day", "INSERT", "a")
    commit(engine, "b", [make_event(1, site_id="a")])
    merger = merger_of(engine)
    merger.merge_due(NOW + WAIT_MS, is_idle=False)
    assert "merging of site a" in caplog.text
    merger.merge_due(NOW, is_idle=False)
    assert "fails no more" not in caplog.text
    with engine.begin() as connection:
        connection.execute(pending_counts.delete())
    merger.merge_due(NOW, is_idle=False)
    assert "fails no more" in caplog.text


# --- workers that help


def test_a_worker_merges_where_too_much_waits(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        commit(engine, f"b{number}", varied_events(number, 30))
    now = 100.0
    merger = Merger(engine, StopFlag(), clock=lambda: now)
    now += merging.RELIEF_SECONDS
    merger.relieve()
    assert MOST_ROWS > 10
    assert sum(unmerged(engine).values()) == 90
    monkeypatch.setattr(merging, "MOST_ROWS", 10)
    merger.relieve()  # it has just looked
    assert sum(unmerged(engine).values()) == 90
    now += merging.RELIEF_SECONDS
    merger.relieve()
    assert unmerged(engine) == {}
    assert merger.late == {}  # nobody asks a worker for it
    assert differences(database_settings) == []


def test_a_site_that_fails_stops_no_worker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    in_portions(monkeypatch, 1)
    commit(engine, "b", [make_event(n, site_id=site) for n, site in enumerate("ab")])
    refuse(engine, "events_by_day", "INSERT", "a")
    merger = merger_of(engine)
    monkeypatch.setattr(merging, "MOST_ROWS", 0)
    merger.looked_at -= merging.RELIEF_SECONDS
    merger.relieve()
    assert unmerged(engine) == {"a": 1}


def test_a_look_that_fails_is_not_repeated_at_once(engine: Engine) -> None:
    merger = merger_of(engine)
    merger.looked_at -= merging.RELIEF_SECONDS
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE pending_counts RENAME TO elsewhere")
    with pytest.raises(Unavailable):
        merger.relieve()
    merger.relieve()


# --- beside processes of an earlier version


def wait_for_lock(settings: Settings, engine: Engine, table: str) -> bool:
    """Whether a merge waits for who has locked a site's row in a table."""
    locker = writing_engine(settings)
    other = writing_engine(settings, statement_seconds=2)
    waited = False
    with locker.begin() as connection:
        column = {"sites": sites.c.site_id, "site_locks": site_locks.c.site_id}[table]
        connection.execute(select(column).where(column == "a").with_for_update()).all()
        thread = threading.Thread(target=lambda: insist(settings, merge))
        thread.start()
        thread.join(1.0)
        waited = thread.is_alive()
    thread.join(120)
    locker.dispose()
    other.dispose()
    return waited


def test_it_takes_its_own_lock(engine: Engine, database_settings: Settings) -> None:
    commit(engine, "b", [make_event(1, site_id="a")])
    merge(engine)
    commit(engine, "c", [make_event(2, site_id="a")])
    assert wait_for_lock(database_settings, engine, "site_locks")
    assert counted(engine) == 2


def test_rows_of_an_earlier_version_make_it_take_theirs(engine: Engine) -> None:
    seen: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(" ".join(statement.split()))

    now = 0.0
    merger = Merger(engine, StopFlag(), clock=lambda: now)
    commit(engine, "b", [make_event(1, site_id="a")])
    event.listen(engine, "before_cursor_execute", look)
    merger.merge_all()
    locks = "SELECT /* worker.site_locks */ sites.site_id"
    assert not any(statement.startswith(locks) for statement in seen)
    with engine.begin() as connection:
        row = {"site_id": "a", "bucket": 0, "batch_id": "old", "sets": encode_sets({})}
        connection.execute(recent_users.insert(), row)
    commit(engine, "c", [make_event(2, site_id="a")])
    merger.merge_all()
    assert sum(statement.startswith(locks) for statement in seen) == 1
    with engine.begin() as connection:
        connection.execute(recent_users.delete())
    commit(engine, "d", [make_event(3, site_id="a")])
    now += OLDER_SECONDS - 1
    merger.merge_all()
    assert sum(statement.startswith(locks) for statement in seen) == 2
    commit(engine, "e", [make_event(4, site_id="a")])
    now += 1
    merger.merge_all()
    assert sum(statement.startswith(locks) for statement in seen) == 2
    event.remove(engine, "before_cursor_execute", look)


def test_a_worker_that_helps_takes_their_lock_as_well(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MOST_ROWS", 0)
    commit(engine, "b", [make_event(1, site_id="a")])
    with engine.begin() as connection:
        row = {"site_id": "a", "bucket": 0, "batch_id": "old", "sets": encode_sets({})}
        connection.execute(recent_users.insert(), row)
    merger = merger_of(engine)
    merger.looked_at -= merging.RELIEF_SECONDS
    with once(engine, "before", "SELECT /* worker.site_locks */ sites.site_id", lambda: None):
        merger.relieve()
    assert unmerged(engine) == {}


def test_a_site_spans_its_events_once_they_are_merged(engine: Engine) -> None:
    moments = [NOW - 5, NOW, NOW + 7]
    commit(engine, "b", [make_event(n, site_id="a", timestamp=at) for n, at in enumerate(moments)])
    merge(engine)
    with engine.begin() as connection:
        row = connection.execute(select(sites).where(sites.c.site_id == "a")).one()
        assert connection.scalar(select(func.count()).select_from(events)) == 3
    assert (row.first_event, row.last_event) == (NOW - 5, NOW + 7)
