"""Rebuilding rollups: exact beside workers that store, and killed at any line."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, func, insert, select, update

from shared.clock import DAY_MS
from shared.counts.rollups import LEVELS
from shared.db.database import writing_engine
from shared.db.tables import (
    events,
    events_by_day,
    events_by_minute,
    recent_users,
    retention,
    sites,
    users,
    users_by_day,
)
from shared.errors import Unavailable
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, insist, rebuild_all, varied_events
from tests.events import make_event
from worker.stopping import StopFlag
from worker.stored import key_order
from worker.stored.extent import Part, find_days
from worker.upkeep import rebuild
from worker.upkeep.compaction import compact
from worker.upkeep.retention import prune_events

ROLLUPS = (
    events_by_minute,
    *(table for level in LEVELS for table in (level.events, level.users)),
    recent_users,
    sites,
    users,
)


def empty_rollups(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in ROLLUPS:
            connection.execute(delete(table))


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


@contextmanager
def at_statement(engine: Engine, words: str, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen just before the first statement that begins so."""
    happened = False

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal happened
        if not happened and words in " ".join(statement.split()):
            happened = True
            happens()

    event.listen(engine, "before_cursor_execute", look)
    yield
    event.remove(engine, "before_cursor_execute", look)
    assert happened, words


def die() -> None:
    raise KeyboardInterrupt


def test_all_is_rebuilt_from_nothing(engine: Engine, database_settings: Settings) -> None:
    commit(engine, "b", varied_events(1, 300))
    empty_rollups(engine)
    rebuilt = rebuild_all(engine)
    assert (rebuilt.events, len(rebuilt.sites), len(rebuilt.days)) == (300, 2, 3)
    assert differences(database_settings) == []


def test_a_day_of_many_pages_is_rebuilt(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_order.pages, "__defaults__", (None, 7))
    # Many at one moment: pages end between them.
    made = [make_event(n, timestamp=TODAY + n // 20, user_id=f"u{n % 30}") for n in range(100)]
    commit(engine, "b", made)
    empty_rollups(engine)
    assert rebuild_all(engine).events == 100
    assert differences(database_settings) == []


def test_only_the_part_asked_for_is_rebuilt(engine: Engine, database_settings: Settings) -> None:
    commit(engine, "b", varied_events(1, 300))
    with engine.begin() as connection:
        connection.execute(delete(events_by_day))
    rebuilt = rebuild_all(engine, Part("a", TODAY - DAY_MS, TODAY))
    assert (rebuilt.sites, rebuilt.days) == ({"a"}, {TODAY - DAY_MS})
    assert differences(database_settings, Part("a", TODAY - DAY_MS, TODAY)) == []
    assert differences(database_settings, Part("a", TODAY - 2 * DAY_MS, TODAY - DAY_MS)) != []
    assert differences(database_settings, Part("b", TODAY - DAY_MS, TODAY)) != []


def test_bytes_in_another_day_of_the_week_stop_no_rebuild(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 100, sites="a"))
    compact(engine)
    with engine.begin() as connection:
        other = update(users_by_day).where(users_by_day.c.bucket < TODAY)
        connection.execute(other.values(bitmap=b"no bitmap"))
    rebuild_all(engine, Part("a", start=TODAY))
    assert differences(database_settings, Part("a", end=TODAY)) != []
    rebuild_all(engine)
    assert differences(database_settings) == []


def test_a_part_of_a_site_without_a_row_gets_one(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 200, sites="a"))
    empty_rollups(engine)
    rebuild_all(engine, Part("a", start=TODAY))
    assert differences(database_settings, Part("a", start=TODAY))[:1] == [first_event_line(engine)]
    rebuild_all(engine)
    assert differences(database_settings) == []


def test_counts_of_no_site_go_and_leave_no_site(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 50, sites="a"))
    stray = {"site_id": "x", "bucket": TODAY, "event_type": "page_view", "events": 1}
    with engine.begin() as connection:
        connection.execute(insert(events_by_minute).values(**stray))
    rebuild_all(engine, Part("x", start=TODAY))
    with engine.connect() as connection:
        assert connection.scalars(select(sites.c.site_id)).all() == ["a"]
    assert differences(database_settings) == []


def first_event_line(engine: Engine) -> str:
    with engine.connect() as connection:
        first = connection.scalar(select(func.min(events.c.timestamp)))
        today = select(func.min(events.c.timestamp)).where(events.c.timestamp >= TODAY)
        found = connection.scalar(today)
    return f"sites: site='a' column='first_event': expected {first}, found {found}"


def test_a_site_whose_events_were_all_deleted_is_gone(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 100))
    with engine.begin() as connection:
        connection.execute(delete(events).where(events.c.site_id == "a"))
    rebuild_all(engine)
    with engine.connect() as connection:
        for table in ROLLUPS:
            assert connection.scalars(select(table.c["site_id"]).distinct()).all() in ([], ["b"])
    commit(engine, "c", varied_events(2, 50, sites="a"))
    assert differences(database_settings, Part("a")) == []


def test_a_rebuild_changes_nothing_that_is_right(engine: Engine) -> None:
    commit(engine, "b", varied_events(1, 200))
    compact(engine)
    before = contents(engine)
    rebuild_all(engine)
    assert contents(engine) == before


def contents(engine: Engine) -> list[Any]:
    """What the rollups hold; `rebuilds` counts what is done to them."""
    with engine.connect() as connection:
        return [
            connection.execute(
                select(*(column for column in table.c if column is not sites.c.rebuilds)).order_by(
                    *table.primary_key
                )
            ).all()
            for table in ROLLUPS
        ]


STATEMENTS = (
    "INSERT /* worker.site_rows */",
    "SELECT retention",
    "SELECT /* worker.rebuild */",
    "DELETE /* worker.rebuild */ FROM users_by_hour",
    "DELETE /* worker.rebuild */ FROM events_by_day",
    "INSERT /* worker.rebuild */ INTO events_by_minute",
    "INTO users_by_day",
    "SELECT dimension_values",
    "DELETE /* worker.rebuild */ FROM users_by_week",
    "INTO events_by_week",
)


@pytest.mark.parametrize("words", STATEMENTS)
def test_killed_in_the_middle_a_day_stays_as_it_was(
    engine: Engine, database_settings: Settings, words: str
) -> None:
    commit(engine, "b", varied_events(1, 200, sites="a"))
    compact(engine)
    with engine.begin() as connection:
        connection.execute(update(events_by_day).values(events=events_by_day.c.events + 1))
    part = Part("a", start=TODAY)
    before = contents(engine)
    with at_statement(engine, words, die), pytest.raises(KeyboardInterrupt):
        rebuild_all(engine, part)
    assert contents(engine) == before
    rebuild_all(engine)
    assert differences(database_settings) == []


def test_a_batch_in_the_middle_of_a_rebuild_is_counted_once(
    engine: Engine, database_settings: Settings
) -> None:
    """It begins when the day's events have been read, and must not be done before the rebuild."""
    commit(engine, "b", varied_events(1, 200, sites="a", days=1))
    worker = writing_engine(database_settings)
    late = threading.Thread(
        target=lambda: commit(worker, "c", varied_events(2, 200, sites="a", days=1))
    )

    def store() -> None:
        late.start()
        late.join(1)

    with at_statement(engine, "DELETE /* worker.rebuild */", store):
        rebuild_all(engine)
    late.join()
    worker.dispose()
    assert count(engine, events) == 400
    assert differences(database_settings) == []


def test_rebuilds_beside_workers_and_compaction_stay_exact(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 50))
    stored = threading.Event()

    def store(name: str) -> None:
        for number in range(25):
            seed = 1000 * ord(name) + number
            made = varied_events(seed, 40)
            insist(database_settings, partial(commit, batch_id=f"{seed}", events=made))

    def keep_compacting() -> None:
        while not stored.is_set():
            insist(database_settings, compact)

    compacting = threading.Thread(target=keep_compacting)
    storing = [threading.Thread(target=store, args=(name,)) for name in "xy"]
    for thread in (*storing, compacting):
        thread.start()
    while any(thread.is_alive() for thread in storing):
        rebuild_all(engine)
    stored.set()
    compacting.join()
    assert count(engine, events) == 50 + 2 * 25 * 40
    assert differences(database_settings) == []


def test_days_that_may_be_pruned_are_left_alone(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 300))
    compact(engine)
    with engine.begin() as connection:
        connection.execute(insert(retention).values(id=1, pruned_before=TODAY))
        connection.execute(delete(events).where(events.c.timestamp < TODAY - DAY_MS))
    before = contents(engine)
    rebuilt = rebuild_all(engine)
    assert rebuilt.days == {TODAY}
    assert rebuilt.pruned_days == {TODAY - 2 * DAY_MS, TODAY - DAY_MS}
    assert contents(engine) == before
    assert differences(database_settings) == []


def test_pruning_that_begins_in_the_middle_of_a_rebuild_waits_for_it(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 200, sites="a"))
    other = writing_engine(database_settings)
    now = TODAY + DAY_MS
    pruning = threading.Thread(target=lambda: prune_events(other, now, 1, StopFlag()))

    def prune() -> None:
        pruning.start()
        pruning.join(1)

    before = count_of(engine)
    with at_statement(engine, "SELECT /* worker.rebuild */", prune):
        rebuild_all(engine, Part("a", TODAY - DAY_MS, TODAY))
    pruning.join()
    other.dispose()
    assert count_of(engine) == before
    assert differences(database_settings) == []


def count_of(engine: Engine) -> int:
    with engine.connect() as connection:
        total = events_by_day.c.dimension == ""
        return int(connection.scalar(select(func.sum(events_by_day.c.events)).where(total)) or 0)


def test_what_cannot_be_done_is_tried_again_and_then_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(engine, "b", varied_events(1, 10, sites="a", days=1))
    monkeypatch.setattr(rebuild, "PAUSES_SECONDS", (0.0, 0.0))
    days = find_days(engine, Part())
    with engine.begin() as connection:
        recent_users.drop(connection)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    with pytest.raises(
        Unavailable, match=r"cannot rebuild a on 2025-11-15: .*recent_users.* run `make migrate`"
    ):
        rebuild.rebuild(engine, days, are_all=False, on_day=lambda: None)
    assert sum("FROM recent_users" in statement for statement in statements) == 3
