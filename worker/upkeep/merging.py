"""Merging: what batches appended to `pending_counts` is counted in the rollups, many at once.

An event of a small site raises some 30 counters, and with few events to a batch nothing adds up; of
what many batches brought, most falls into the same. Killed at any line, it counts nothing twice:
rows leave in the transaction in which they are counted. Answers add what is not merged yet.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, func, select

from shared.clock import DAY_MS, HOUR_MS, iso_from_ms, now_ms
from shared.counts.pending import Pending, read_pending
from shared.counts.rollups import ROLLED_UP
from shared.counts.segments import TIME, USER
from shared.counts.sparse import Kept, KeptDays
from shared.db.database import translated_errors
from shared.db.dialects import dialect_of
from shared.db.driver_rows import delete_by_keys, fetch_by_keys
from shared.db.tables import pending_counts, recent_users
from shared.errors import Unavailable
from shared.fields import EVENT_TYPE
from shared.waiting import Reminder
from worker.counting.columns import Columns
from worker.counting.pending import KEY_COLUMNS, Key
from worker.counting.rollups import Numbered, raise_rollups
from worker.stopping import StopFlag
from worker.stored.site_locks import CHUNK_SITES, lock_rows, take_locks
from worker.stored.sparse_days import Day, count_days
from worker.upkeep.own_fault import Faults, own_fault, to_be_narrowed
from worker.upkeep.receipts import add_receipts

# Of one transaction: SQLite's writers wait for it, and so do users' numbers at its end.
MERGE_EVENTS = 20_000
MERGE_ROWS = 2_000
# A site is merged once it has so many events, or its oldest waited so long: what small sites bring
# meanwhile falls into the same counters. Answers read it from `pending_counts` until then.
SITE_EVENTS = 5_000
WAIT_MS = 20_000
# Where so many events of hours that are over came to a site, its segments are made soon: until then
# what no rollup covers is counted from the events, at a million a second.
LATE_EVENTS = 50_000
# Workers merge before they store what makes more than this: then nobody else does, or too slowly.
MOST_ROWS = 50_000
RELIEF_SECONDS = 5.0
LOOK_SECONDS = 0.5
# For so long after they were last seen at work, workers of earlier versions may be there.
OLDER_SECONDS = 900.0

log = logging.getLogger(__name__)

LABEL = "/* worker.merge */"
WORK = "merging"

ROW_COLUMNS = (*KEY_COLUMNS, pending_counts.c.events, pending_counts.c.data)


class Waiting(NamedTuple):
    """What of a site is not merged; moments are in ms of the workers' clocks."""

    site_id: str
    events: int
    oldest: int
    newest: int


@dataclass
class Merger:
    """Merges what is due, a round at a time."""

    engine: Engine
    stopping: StopFlag
    faults: Faults = field(default_factory=lambda: Faults(WORK))
    clock: Callable[[], float] = time.monotonic
    # When the last batch was stored that the round before saw.
    newest: int = -1
    # When, by the clock, rows of an earlier version were last seen; see `take_all_locks`.
    older_at: float = -OLDER_SECONDS
    looked_at: float = field(init=False)
    # Events merged into hours that were over, by site, since `take_late` last told of it.
    late: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.looked_at = self.clock()

    def merge_due(self, now: int, *, is_idle: bool = True) -> int:
        """Merge the sites that are due: all of them if no batch came since the last round and none
        is under way (`is_idle`). Returns how many events that were. `now` is in ms. Raises
        Unavailable."""
        waiting = fetch_waiting(self.engine)
        newest = max((site.newest for site in waiting), default=-1)
        is_quiet = is_idle and newest == self.newest
        self.newest = newest
        due = [
            site.site_id
            for site in waiting
            if is_quiet or site.events >= SITE_EVENTS or now - site.oldest >= WAIT_MS
        ]
        return self.merge_sites(due, still={site.site_id for site in waiting}.difference(due))

    def merge_all(self) -> int:
        """Merge what there is."""
        return self.merge_sites([site.site_id for site in fetch_waiting(self.engine)])

    def relieve(self) -> None:
        """For a worker, between two batches: merge for some seconds where far too much waits.
        Raises Unavailable."""
        if self.clock() - self.looked_at < RELIEF_SECONDS:
            return
        self.looked_at = self.clock()  # also where it fails
        if count_rows(self.engine, MOST_ROWS + 1) > MOST_ROWS:
            add_receipts(self.engine, self.stopping)
            self.look_for_older()
            deadline = self.clock() + RELIEF_SECONDS
            waiting = list(portions(fetch_keys(self.engine)))
            # Whoever else does the same begins elsewhere.
            random.shuffle(waiting)
            for keys in waiting:
                if self.clock() >= deadline or self.stopping.is_set():
                    break
                with own_fault(self.engine, to_be_narrowed):  # the periodic process tells whose
                    self.merge_rows(keys)
            self.looked_at = self.clock()
            self.late.clear()  # no worker makes segments

    def merge_sites(self, site_ids: Sequence[str], still: Collection[str] = ()) -> int:
        """Merge what these sites have now. Where that fails for what one site has, each is merged
        by itself. Of those that wait `still`, nothing is known."""
        merged = 0
        with own_fault(self.engine, to_be_narrowed):
            merged = self.merge_together(site_ids) if site_ids else 0
            self.faults.end(still)
            return merged
        for site_id in site_ids:
            with own_fault(self.engine, partial(self.faults.note, site_id)):
                merged += self.merge_together([site_id])
        self.faults.end(still)
        return merged

    def merge_together(self, site_ids: Sequence[str]) -> int:
        merged = 0
        self.look_for_older()
        for keys in portions(fetch_keys(self.engine, site_ids)):
            if self.stopping.is_set():
                break
            merged += self.merge_rows(keys)
        return merged

    def merge_rows(self, keys: Sequence[Key]) -> int:
        """The transaction. What somebody else has merged is gone by then."""
        with translated_errors(), self.engine.begin() as connection:
            self.take_all_locks(connection, {key[0] for key in keys})
            rows = fetch_by_keys(connection, ROW_COLUMNS, KEY_COLUMNS, keys, LABEL)
            readable = sorted(self.readable(rows), key=itemgetter(0))
            if not readable:
                return 0
            # First: a server may wait here for rows that batches are about to commit, and batches
            # must not wait for what is locked below.
            merged = [key for key, _ in readable]
            delete_by_keys(connection, pending_counts, KEY_COLUMNS, merged, LABEL)
            kept = count_days(connection, events_by_day_of(readable))
            raise_rollups(connection, parts_of(readable, kept), kept)
        self.note_late(readable, now_ms())
        return sum(pending.events for _, pending in readable)

    def note_late(self, rows: Iterable[tuple[Key, Pending]], now: int) -> None:
        for (site_id, bucket, _), pending in rows:
            if bucket + HOUR_MS <= now:
                self.late[site_id] += pending.events

    def take_late(self) -> list[str]:
        """The sites that LATE_EVENTS came to. Another thread may ask."""
        large = sorted(site for site, events in self.late.copy().items() if events >= LATE_EVENTS)
        for site_id in large:
            del self.late[site_id]
        return large

    def put_late(self, site_ids: Iterable[str]) -> None:
        """They are to be told of once more."""
        self.late.update(dict.fromkeys(site_ids, LATE_EVENTS))

    def readable(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Key, Pending]]:
        """Rows that are what they should be; the others wait for `footfall rebuild-rollups`."""
        for *key, events, data in rows:
            try:
                yield tuple(key), read_pending(key[1], events, data)
            except ValueError as error:
                at = f"{iso_from_ms(key[1])}, of batch {key[2]}"
                self.faults.note(key[0], ValueError(f"pending_counts, {at}: {error}"))

    def look_for_older(self) -> None:
        one = select(recent_users.c.bucket).limit(1).prefix_with(LABEL)
        with translated_errors(), self.engine.begin() as connection:
            if connection.execute(one).first() is not None:
                self.older_at = self.clock()

    def take_all_locks(self, connection: Connection, site_ids: Collection[str]) -> None:
        """Lock the sites. Processes of earlier versions know another lock, the row in `sites`, for
        which batches wait that number users: it is taken only while there are such processes."""
        take_locks(connection, site_ids)
        if self.clock() - self.older_at < OLDER_SECONDS:
            lock_rows(connection, site_ids)


def fetch_waiting(engine: Engine) -> list[Waiting]:
    """The sites of which anything is not merged, in order."""
    at = pending_counts.c.stored_at
    statement = (
        select(
            pending_counts.c.site_id,
            func.sum(pending_counts.c.events),
            func.min(at),
            func.max(at),
        )
        .group_by(pending_counts.c.site_id)
        .order_by(pending_counts.c.site_id)
        .prefix_with(LABEL)
    )
    with translated_errors(), engine.begin() as connection:
        return [Waiting(*row) for row in connection.execute(statement)]


def count_rows(engine: Engine, most: int) -> int:
    """How many rows wait, counted up to `most`."""
    some = select(pending_counts.c.events).limit(most).subquery()
    counted = select(func.count()).select_from(some).prefix_with(LABEL)
    with translated_errors(), engine.begin() as connection:
        return connection.scalar(counted) or 0


def fetch_keys(engine: Engine, site_ids: Sequence[str] | None = None) -> list[tuple[Key, int]]:
    """The keys of what these sites have, or all, in order, and how many events each row brings."""
    rows = select(*KEY_COLUMNS, pending_counts.c.events).prefix_with(LABEL)
    statements = [rows]
    if site_ids is not None:
        statements = [
            rows.where(pending_counts.c.site_id.in_(site_ids[first : first + CHUNK_SITES]))
            for first in range(0, len(site_ids), CHUNK_SITES)
        ]
    with translated_errors(), engine.begin() as connection:
        found = [row for statement in statements for row in connection.execute(statement)]
    return sorted((tuple(key), events) for *key, events in found)


def portions(found: Sequence[tuple[Key, int]]) -> Iterator[list[Key]]:
    """The keys of at most MERGE_EVENTS, or of one row with more."""
    some: list[Key] = []
    total = 0
    for key, events in found:
        if some and (total + events > MERGE_EVENTS or len(some) >= MERGE_ROWS):
            yield some
            some, total = [], 0
        some.append(key)
        total += events
    if some:
        yield some


def events_by_day_of(rows: Iterable[tuple[Key, Pending]]) -> Counter[Day]:
    """How many events there are of each site's day."""
    found: Counter[Day] = Counter()
    for (site_id, bucket, _), pending in rows:
        found[site_id, bucket - bucket % DAY_MS] += pending.events
    return found


def parts_of(rows: Sequence[tuple[Key, Pending]], kept: KeptDays) -> list[Numbered]:
    """The events of rows of any sites: those of days of which no values are counted, without them,
    and the others."""
    parts: list[list[tuple[Key, Pending]]] = [[], []]
    for row in rows:
        (site_id, bucket, _), _ = row
        parts[kept.of(site_id, bucket) is Kept.TOTALS].append(row)
    return [
        columns_of(part, names) for part, names in zip(parts, (ROLLED_UP, ()), strict=True) if part
    ]


def columns_of(
    rows: Sequence[tuple[Key, Pending]], names: Iterable[str] = tuple(ROLLED_UP)
) -> Numbered:
    """The events of rows of any sites, with values of the dimensions that are named."""
    site_ids: list[str] = []
    moments: list[int] = []
    numbers: list[int | None] = []
    texts: dict[str, list[Any]] = {name: [] for name in (EVENT_TYPE, *names)}
    for (site_id, bucket, _), pending in rows:
        site_ids += [site_id] * pending.events
        moments += [bucket + offset for offset in pending.numbers(TIME)]
        numbers += [number - 1 if number else None for number in pending.numbers(USER)]
        for name, values in texts.items():
            values += pending.texts(name)
    event_types = texts.pop(EVENT_TYPE)
    filled = {name: values for name, values in texts.items() if values.count(None) < len(values)}
    return Columns(site_ids, moments, event_types, filled), numbers


def merge_for_ever(merger: Merger, is_idle: Callable[[], bool]) -> None:
    """The lane of its own in which the periodic process merges, beside all else that it does."""
    reminder = Reminder()
    has_told = False
    while not merger.stopping.is_set():
        try:
            has_told = has_told or tell_too_small(merger.engine)
            merger.merge_due(now_ms(), is_idle=is_idle())
        except Unavailable as error:
            reminder.say(f"not merged yet: {error}")
        merger.stopping.wait(LOOK_SECONDS)


def tell_too_small(engine: Engine) -> bool:
    """Log what of the database server's holds writing up."""
    with translated_errors(), engine.begin() as connection:
        for sentence in dialect_of(connection).find_too_small(connection):
            log.warning("the database's %s", sentence)
    return True
