"""Each work behind batches, and batches themselves, killed at each of their steps: what is answered
is right at any moment, and done again the work comes to its end.

On SQLite at every statement and every commit, or every third of very many; on the others at some.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, select

from shared.clock import DAY_MS, HOUR_MS
from shared.counts.rollups import TOTAL
from shared.db.tables import (
    dedupe,
    events,
    events_by_day,
    outcomes,
    pending_counts,
    recent_users,
    segments,
    sites,
    users,
    view_places,
)
from shared.event import Event
from shared.outcomes import Outcome
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, rebuild_all
from tests.events import NOW, make_batch, make_event
from tests.killed import is_killed, steps_of
from tests.merged import in_portions, merge, merge_as_before
from tests.segmented import build_all
from worker.batch.commit import AlreadyCommitted, commit_batch
from worker.counting.users import UserNumbers
from worker.enrich.bots import BotRule
from worker.stopping import StopFlag
from worker.upkeep import merging, retention
from worker.upkeep.compaction import compact
from worker.upkeep.merging import Merger
from worker.upkeep.retention import BURST_MS, forget_places, prune, prune_events

# Where a step takes long: so many are tried, the last among them. Of a work of very many steps, so
# many on SQLite as well.
SOME, MOST = 4, 100
# What was counted is compared with the events at each step that is done, and at so many others.
OFTEN = 8
LATER = NOW + 30 * DAY_MS
PRUNED_DAYS = 5


@dataclass(frozen=True)
class Work:
    """Something to do: `prepare` makes some of it, under a number that it was not given before,
    `do` is killed, and `left` says how much is left of it."""

    prepare: Callable[[Engine, int], object]
    do: Callable[[Settings, Engine, int], object]
    left: Callable[[Engine], int]


def count(engine: Engine, table: Table, *where: Any) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table).where(*where)) or 0


# --- each work


def few_events(number: int) -> list[Event]:
    """Of two sites, and of two hours of one of them; a new user and one that is known."""
    return [
        make_event(
            n,
            event_id=f"{number}-{n}",
            site_id="aab"[n],
            timestamp=TODAY + n * HOUR_MS,
            user_id=("known", f"u{number}")[n % 2],
        )
        for n in range(3)
    ]


def append(engine: Engine, number: int) -> None:
    commit(engine, f"b{number}", few_events(number))


def in_all_ways(engine: Engine, number: int) -> None:
    """Merged, stored by a worker of the version before, and still to be merged."""
    for way in range(3):
        commit(engine, f"b{number}-{way}", few_events(10 * number + way)[:2])
        if way < 2:
            (merge, merge_as_before)[way](engine)


def append_as_before(engine: Engine, number: int) -> None:
    append(engine, number)
    merge_as_before(engine)


def merge_between_batches(_settings: Settings, engine: Engine, _number: int) -> None:
    merger = Merger(engine, StopFlag())
    merger.looked_at -= merging.RELIEF_SECONDS
    merger.relieve()


def old_and_new(engine: Engine, number: int) -> None:
    ages = (20, 6, 1)
    aged = [
        make_event(n, event_id=f"{number}-{age}", timestamp=NOW - age * DAY_MS, user_id=f"u{n}")
        for n, age in enumerate(ages)
    ]
    commit(engine, f"b{number}", aged)
    if number % 2:
        merge(engine)


def keyed(number: int) -> list[Event]:
    """With callers' ids, one of them twice, and more views of one user in a second than may be."""
    ids = [number, number, *range(1000 * number, 1000 * number + 4)]
    return [make_event(n, has_caller_id=True, user_id=f"u{number}") for n in ids]


def store_old(engine: Engine, number: int) -> None:
    commit_batch(engine, make_batch(f"old{number}", *keyed(number)), NOW)
    commit_batch(engine, make_batch(f"new{number}"), LATER)


def store_views(engine: Engine, number: int) -> None:
    views = [make_event(n, event_id=f"{number}-{n}", user_id=f"u{number}") for n in range(4)]
    commit_batch(engine, make_batch(f"b{number}", *views), NOW, BotRule(10))


def store(_settings: Settings, engine: Engine, number: int) -> None:
    """The batch of this number, whose users are new, and after a death that of the same again."""
    try:
        batch = make_batch(f"b{number}", *keyed(number), *few_events(number))
        commit_batch(engine, batch, NOW, BotRule(3))
    except AlreadyCommitted:
        pass


def number_users(_settings: Settings, engine: Engine, number: int) -> None:
    """Of two sites, once and again: the second time a process takes more than it needs."""
    numbers = UserNumbers(engine)
    for turn in range(3):
        numbers.of({(site, f"{number}-{turn}-{n}") for site in "ab" for n in range(turn + 2)})


def nothing(*_: object) -> int:
    return 0


def in_no_segment(engine: Engine) -> int:
    """Of events all of whose hours are over."""
    with engine.connect() as connection:
        return count(engine, events) - (connection.scalar(select(func.sum(segments.c.events))) or 0)


def rows_of(table: Table, *where: Any) -> Callable[[Engine], int]:
    return lambda engine: count(engine, table, *where)


WORKS = {
    "merging": Work(append, lambda _s, engine, _n: merge(engine), rows_of(pending_counts)),
    "relief": Work(append, merge_between_batches, rows_of(pending_counts)),
    "compaction": Work(
        append_as_before, lambda _s, engine, _n: compact(engine), rows_of(recent_users)
    ),
    "rebuild": Work(
        in_all_ways, lambda _s, engine, _n: rebuild_all(engine), rows_of(pending_counts)
    ),
    "segments": Work(
        append, lambda settings, engine, _n: build_all(settings, engine), in_no_segment
    ),
    "old events": Work(
        old_and_new,
        lambda _s, engine, _n: prune_events(engine, NOW, PRUNED_DAYS, StopFlag()),
        rows_of(events, events.c.timestamp < TODAY - PRUNED_DAYS * DAY_MS),
    ),
    "old ids": Work(
        store_old, lambda _s, engine, _n: prune(engine, LATER, 7, ["old1"]), rows_of(dedupe)
    ),
    "places": Work(
        store_views,
        lambda _s, engine, _n: forget_places(engine, NOW + BURST_MS + 1),
        rows_of(view_places),
    ),
    "batch": Work(nothing, store, nothing),
    "numbers": Work(nothing, number_users, nothing),
}


# --- the death


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each work has several transactions."""
    in_portions(monkeypatch, 2)
    monkeypatch.setattr(merging, "MOST_ROWS", 0)
    monkeypatch.setattr(retention, "CHUNK_ROWS", 3)
    monkeypatch.setattr(retention, "CHUNK_PLACES", 2)
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize("name", WORKS)
def test_killed_at_any_step_nothing_is_lost_or_counted_twice(
    engine: Engine, database_settings: Settings, name: str
) -> None:
    work = WORKS[name]
    left = 0
    for number in steps_to_die_at(work, engine, database_settings):
        if work.left(engine) == 0 or work.left(engine) < left:
            work.prepare(engine, number)
            left = work.left(engine)
        died = is_killed(lambda: work.do(database_settings, engine, number), number)  # noqa: B023
        check(engine)
        if number % OFTEN == 0 or work.left(engine) < left:
            assert differences(database_settings) == []
        if not died:
            break
    work.do(database_settings, engine, number)
    assert work.left(engine) == 0
    check(engine)
    assert differences(database_settings) == []


def steps_to_die_at(work: Work, engine: Engine, settings: Settings) -> Iterator[int]:
    """All, until there is no such step; or some."""
    work.prepare(engine, 0)
    steps = steps_of(lambda: work.do(settings, engine, 0))
    assert steps >= SOME
    if engine.dialect.name == "sqlite":
        yield from range(1, 2 * steps, 1 + steps // MOST)
        raise AssertionError("it never came to its end")
    yield from sorted({steps * part // SOME for part in range(1, SOME + 1)})


def check(engine: Engine) -> None:
    """What is answered is what the batches stored, and no two users have one number."""
    stored = (outcomes.c.outcome == Outcome.STORED,)
    pairs = select(users.c.site_id, users.c.number).distinct().subquery()
    beyond = select(func.count()).where(
        users.c.site_id == sites.c.site_id, users.c.number >= sites.c.users
    )
    with engine.connect() as connection:
        total = connection.scalar(select(func.sum(outcomes.c.events)).where(*stored)) or 0
        told = [
            connection.scalar(select(func.sum(table.c.events)).where(*where)) or 0
            for table, where in (
                (events_by_day, (events_by_day.c.dimension == TOTAL,)),
                (pending_counts, ()),
            )
        ]
        assert sum(told) == total
        numbered = connection.scalar(select(func.count()).select_from(users))
        assert connection.scalar(select(func.count()).select_from(pairs)) == numbered
        assert connection.scalar(beyond) == 0
