"""Merging: what batches appended to `pending_counts` is counted in the rollups, many at once.

An event of a small site raises some 30 counters, and with few events to a batch nothing adds up; of
what many batches brought, most falls into the same. Killed at any line, it counts nothing twice:
rows leave in the transaction in which they are counted. Answers add what is not merged yet.
"""

import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, select

from shared.clock import HOUR_MS, iso_from_ms, now_ms
from shared.counts.pending import Pending, read_pending
from shared.db.database import translated_errors
from shared.db.dialects import dialect_of
from shared.db.driver_rows import delete_by_keys, fetch_by_keys
from shared.db.tables import pending_counts, recent_users
from shared.errors import Unavailable
from shared.waiting import Reminder
from worker.counting.pending import KEY_COLUMNS, Key
from worker.counting.rollups import raise_rollups
from worker.stopping import StopFlag
from worker.stored.site_locks import lock_rows, take_locks
from worker.stored.sparse_days import count_days
from worker.upkeep.memory import memory_bytes
from worker.upkeep.own_fault import Faults, own_fault, to_be_narrowed
from worker.upkeep.receipts import add_receipts
from worker.upkeep.unmerged import (
    LABEL,
    ROW_COLUMNS,
    count_rows,
    events_by_day_of,
    fetch_keys,
    fetch_waiting,
    parts_of,
    slices,
    values_of,
)

# Of one transaction at most, where batches do not wait for it. The more events it has, the more
# share a counter, raised once for all of them: of a site of 46,000 pages, one event costs a
# third in a transaction of 200,000 of what it costs in one of 20,000. So many, and as many values
# that differ, take up to 450 MB; a machine that has less of it merges fewer at once.
MERGE_EVENTS = 400_000
EVENTS_OF_GIB = 100_000
LEAST_EVENTS = 20_000
# How many times as long as the last merging took the next one waits, while less than that is there:
# what costs much is merged in larger portions. Answers read meanwhile what is not.
REST = 2
MOST_REST_SECONDS = 10.0
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

WORK = "merging"


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
    # How many events, or values, one transaction merges.
    portion: int = field(default_factory=lambda: events_at_once(memory_bytes()))
    # Until when, by the clock, merging rests.
    rests_until: float = field(init=False)
    # Events merged into hours that were over, by site, since `take_late` last told of it.
    late: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.looked_at = self.rests_until = self.clock()

    def merge_due(self, now: int, *, is_idle: bool = True) -> int:
        """Merge the sites that are due: all of them if no batch came since the last round and none
        is under way (`is_idle`). Returns how many events that were. `now` is in ms. Raises
        Unavailable."""
        waiting = fetch_waiting(self.engine)
        newest = max((site.newest for site in waiting), default=-1)
        is_quiet = is_idle and newest == self.newest
        self.newest = newest
        began = self.clock()
        events = sum(site.events for site in waiting)
        is_resting = began < self.rests_until and events < self.portion
        due = [
            site.site_id
            for site in waiting
            if is_quiet
            or (not is_resting and (site.events >= SITE_EVENTS or now - site.oldest >= WAIT_MS))
        ]
        merged = self.merge_sites(due, still={site.site_id for site in waiting}.difference(due))
        if due:
            ended = self.clock()
            self.rests_until = ended + min(REST * (ended - began), MOST_REST_SECONDS)
        return merged

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
            waiting = list(slices(fetch_keys(self.engine)))
            # Whoever else does the same begins elsewhere.
            first = secrets.randbelow(len(waiting) or 1)
            for some in (deque(waiting[first:]), deque(waiting[:first])):
                while some and self.clock() < deadline and not self.stopping.is_set():
                    with own_fault(self.engine, to_be_narrowed):  # the periodic process tells whose
                        self.merge_rows(some)
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
        waiting = deque(slices(fetch_keys(self.engine, site_ids)))
        while waiting and not self.stopping.is_set():
            merged += self.merge_rows(waiting)
        return merged

    def merge_rows(self, waiting: deque[list[Key]]) -> int:
        """The transaction: of slices in the order of their keys, it takes the first ones."""
        with translated_errors(), self.engine.begin() as connection:
            readable = self.take_rows(connection, waiting)
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

    def take_rows(
        self, connection: Connection, waiting: deque[list[Key]]
    ) -> list[tuple[Key, Pending]]:
        """Take slices, until there is enough for a transaction, and lock their sites. What somebody
        else has merged is gone by then."""
        taken: list[tuple[Key, Pending]] = []
        events = values = 0
        # One is enough where batches wait for it. Behind each slice's locks is read what has been
        # committed by then, for these transactions are READ COMMITTED.
        most = 1 if dialect_of(connection).locks_all else self.portion
        while waiting and events < most and values < self.portion:
            keys = waiting.popleft()
            self.take_all_locks(connection, {key[0] for key in keys})
            rows = fetch_by_keys(connection, ROW_COLUMNS, KEY_COLUMNS, keys, LABEL)
            readable = sorted(self.readable(rows), key=itemgetter(0))
            events += sum(pending.events for _, pending in readable)
            values += sum(values_of(pending) for _, pending in readable)
            taken += readable
        return taken

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


def events_at_once(memory: int) -> int:
    """Of one transaction, in so many bytes."""
    return max(LEAST_EVENTS, min(memory * EVENTS_OF_GIB >> 30, MERGE_EVENTS))


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
