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
    pending_counts,
    recent_users,
    retention,
    sites,
    users,
    users_by_day,
)
from shared.errors import Unavailable
from shared.settings import Settings
from tests.counted import (
    TODAY,
    commit,
    differences,
    insist,
    reader_beside,
    rebuild_all,
    varied_events,
)
from tests.events import make_event
from tests.merged import merge, merge_as_before
from worker.counting.users import UserNumbers
from worker.stopping import StopFlag
from worker.stored import key_order
from worker.stored.extent import Part, find_days
from worker.upkeep import rebuild
from worker.upkeep.compaction import compact
from worker.upkeep.retention import prune_events

ROLLUPS = (
    events_by_minute,
    *(table for level in LEVELS for table in (level.events, level.users)),
    pending_counts,
    recent_users,
    sites,
    users,
)


STRAY = {"site_id": "x", "bucket": TODAY, "event_type": "page_view", "events": 1}


def empty_rollups(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in ROLLUPS:
            connection.execute(delete(table))


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


@contextmanager
def at_statement(words: str, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen just before the first statement, of any engine, with these words."""
    happened = False

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal happened
        if not happened and words in " ".join(statement.split()):
            happened = True
            happens()

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", look)
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
    merge(engine)
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
    merge(engine)
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
    with engine.begin() as connection:
        connection.execute(insert(events_by_minute).values(**STRAY))
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
        for table in set(ROLLUPS) - {sites}:
            assert connection.scalars(select(table.c["site_id"]).distinct()).all() in ([], ["b"])
        of_a = select(sites.c.users).where(sites.c.site_id == "a")
        taken = connection.scalar(of_a.where(sites.c.first_event > sites.c.last_event))
    assert taken
    assert differences(database_settings, Part("b")) == []
    commit(engine, "c", varied_events(2, 50, sites="a"))
    assert differences(database_settings, Part("a")) == []
    with engine.connect() as connection:
        numbers = connection.scalars(select(users.c.number).where(users.c.site_id == "a")).all()
    assert min(numbers) >= taken  # a worker may still hold some of the others


def test_a_row_whose_numbers_were_taken_stays(engine: Engine, database_settings: Settings) -> None:
    """Somebody is about to store the events of these users."""
    UserNumbers(engine).of([("a", "somebody")])
    with engine.begin() as connection:
        connection.execute(insert(events_by_minute).values(**STRAY | {"site_id": "a"}))
    assert differences(database_settings, Part("a")) != []
    rebuild_all(engine, Part("a", start=TODAY))
    rebuild_all(engine)
    with engine.connect() as connection:
        assert connection.scalar(select(sites.c.users)) == 1
    assert differences(database_settings) == []
    commit(engine, "b", [make_event(site_id="a", timestamp=TODAY, user_id="somebody")])
    assert differences(database_settings) == []
    merge(engine)
    assert differences(database_settings) == []


def test_a_rebuild_changes_nothing_that_is_right(engine: Engine) -> None:
    commit(engine, "b", varied_events(1, 200))
    merge(engine)
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
    "SELECT /* worker.site_locks */",
    "INSERT /* worker.site_rows */",
    "SELECT /* worker.retention */",
    "SELECT /* worker.rebuild */ events",
    "SELECT /* worker.rebuild */ pending_counts",
    "SELECT /* worker.rebuild */ recent_users",
    "DELETE /* worker.rebuild */",  # from pending_counts
    "DELETE /* worker.rebuild */ FROM recent_users",
    "DELETE /* worker.rebuild */ FROM users_by_hour",
    "DELETE /* worker.rebuild */ FROM events_by_day",
    "INSERT /* worker.rebuild */ INTO events_by_minute",
    "INTO users_by_day",
    "SELECT dimension_values",
    "DELETE /* worker.rebuild */ FROM users_by_week",
    "INTO events_by_week",
)


@pytest.mark.sampled
@pytest.mark.parametrize("words", STATEMENTS)
def test_killed_in_the_middle_a_day_stays_as_it_was(
    engine: Engine, database_settings: Settings, words: str
) -> None:
    store_in_all_ways(engine)
    with engine.begin() as connection:
        connection.execute(update(events_by_day).values(events=events_by_day.c.events + 1))
    part = Part("a", start=TODAY)
    before = contents(engine)
    with at_statement(words, die), pytest.raises(KeyboardInterrupt):
        rebuild_all(engine, part)
    assert contents(engine) == before
    rebuild_all(engine)
    assert differences(database_settings) == []


def store_in_all_ways(engine: Engine, *, days: int = 3) -> None:
    """Events that are merged, that wait for it, and that a worker of the version before stored."""
    commit(engine, "merged", varied_events(1, 100, sites="a", days=days))
    merge(engine)
    commit(engine, "before", varied_events(2, 50, sites="a", days=days))
    merge_as_before(engine)
    commit(engine, "waiting", varied_events(3, 50, sites="a", days=days))


def test_what_is_rebuilt_is_not_merged_again(engine: Engine, database_settings: Settings) -> None:
    store_in_all_ways(engine)
    rebuild_all(engine, Part("a", start=TODAY))
    assert count(engine, pending_counts) > 0
    assert differences(database_settings) == []
    rebuild_all(engine)
    assert count(engine, pending_counts) == count(engine, recent_users) == 0
    before = contents(engine)
    merge(engine)
    assert contents(engine) == before
    assert differences(database_settings) == []


@pytest.mark.sampled
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("words", STATEMENTS)
def test_a_batch_in_the_middle_of_a_rebuild_is_counted_once(
    engine: Engine, database_settings: Settings, words: str, is_known: bool
) -> None:
    """It need not wait for the rebuild, save for numbers of users that are new."""
    store_in_all_ways(engine, days=1)
    made = varied_events(4, 100, sites="a", days=1, users="user" if is_known else "new")
    with beside(database_settings, partial(commit, batch_id="late", events=made)) as late:

        def store() -> None:
            late.start()
            late.join(0.3 if engine.dialect.name == "sqlite" or not is_known else 30)
            assert not late.is_alive() or engine.dialect.name == "sqlite" or not is_known

        with at_statement(words, store):
            rebuild_all(engine)
    assert count(engine, events) == 300
    assert differences(database_settings) == []
    merge(engine)
    assert differences(database_settings) == []


@contextmanager
def beside(settings: Settings, work: Callable[[Engine], object]) -> Iterator[threading.Thread]:
    """A thread that does it once it is started, with an engine of its own."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            insist(settings, work)
        except Exception as error:  # noqa: BLE001  # told below
            failed.append(error)

    thread = threading.Thread(target=run)
    yield thread
    thread.join()
    assert failed == []


@pytest.mark.sampled
@pytest.mark.parametrize("work", [merge, merge_as_before, compact])
@pytest.mark.parametrize("words", STATEMENTS[2:])
def test_whoever_counts_in_the_middle_of_a_rebuild_waits_for_it(
    engine: Engine, database_settings: Settings, words: str, work: Callable[[Engine], object]
) -> None:
    store_in_all_ways(engine, days=1)
    with beside(database_settings, work) as late:

        def start() -> None:
            late.start()
            late.join(0.3)
            assert late.is_alive()

        with at_statement(words, start):
            rebuild_all(engine, Part("a"))
    assert differences(database_settings) == []


def test_rebuilds_beside_workers_and_merging_stay_exact(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 50))
    stored = threading.Event()

    def store(name: str) -> None:
        for number in range(25):
            seed = 1000 * ord(name) + number
            made = varied_events(seed, 40)
            insist(database_settings, partial(commit, batch_id=f"{seed}", events=made))

    def keep_merging() -> None:
        while not stored.is_set():
            insist(database_settings, merge)

    merging = threading.Thread(target=keep_merging)
    storing = [threading.Thread(target=store, args=(name,)) for name in "xy"]
    for thread in (*storing, merging):
        thread.start()
    while any(thread.is_alive() for thread in storing):
        rebuild_all(engine)
    stored.set()
    merging.join()
    assert count(engine, events) == 50 + 2 * 25 * 40
    assert differences(database_settings) == []


def test_days_that_may_be_pruned_are_left_alone(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 300))
    merge(engine)
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

    merge(engine)
    before = count_of(engine)
    with at_statement("SELECT /* worker.rebuild */ events", prune):
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
    reader = reader_beside(engine)
    event.listen(reader, "before_cursor_execute", lambda *found: statements.append(found[2]))
    with pytest.raises(
        Unavailable, match=r"cannot rebuild a on 2025-11-15: .*recent_users.* run `make migrate`"
    ):
        rebuild.rebuild(reader, engine, days, are_all=False, on_day=lambda: None)
    reader.dispose()
    assert sum("FROM recent_users" in statement for statement in statements) == 3
