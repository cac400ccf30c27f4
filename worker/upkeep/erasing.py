"""Deleting sites with all they have, some thousand rows at a time.

`footfall sites delete --with-events` writes a row in `erasures`, and from then on workers store
nothing of the site: see worker/batch/erased.py. What is there is deleted here, in portions that
nobody waits for, again and again until nothing is found; a process that is killed goes on where it
stopped. The ledger keeps its sum: what became of the site's events is moved to `erased`, by the
lines of its receipts, each in the transaction that deletes it, and at the end what was counted by
versions without receipts.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, func, select, update

from shared.counts.receipts import NO_SITE, unpack_lines
from shared.counts.rollups import TOTAL
from shared.db.database import translated_errors
from shared.db.dialects import insert_adding
from shared.db.driver_rows import delete_by_keys
from shared.db.tables import (
    batch_receipts,
    dead_letters,
    dedupe,
    erasures,
    events,
    events_by_day,
    events_by_hour,
    events_by_minute,
    events_by_week,
    outcomes,
    pending_counts,
    receipt_totals,
    receipts,
    recent_users,
    segment_columns,
    segments,
    site_locks,
    site_retention,
    sites,
    sparse_days,
    users,
    users_by_day,
    users_by_hour,
    users_by_week,
    views_by_second,
)
from shared.outcomes import Outcome
from shared.queue.event_queue import EventQueue
from shared.sites.erasures import LABEL, Erasure, fetch_erasing
from worker.batch.parking import site_of_letter
from worker.stopping import StopFlag
from worker.stored.key_order import behind, pages
from worker.stored.site_locks import take_locks
from worker.upkeep.own_fault import Faults, own_fault
from worker.upkeep.receipts import add_receipts

log = logging.getLogger(__name__)

CHUNK_ROWS = 1000
# Bitmaps, columns and what waits to be merged are large, each of them.
CHUNK_LARGE = 100
# A run ends after this, so that other work gets its turn; the next goes on.
BUDGET_SECONDS = 2.0
# Batches get their turn between two chunks, for at least as long as a chunk took.
PAUSE_SECONDS = 0.02

WORK = "deletion"

# What is made of others' rows goes before these, lest it be made again.
TABLES = (
    pending_counts,
    recent_users,
    sparse_days,
    views_by_second,
    segments,
    segment_columns,
    events_by_minute,
    events_by_hour,
    events_by_day,
    events_by_week,
    users_by_hour,
    users_by_day,
    users_by_week,
    dedupe,
    events,
    users,
    sites,
    site_retention,
)
LARGE = frozenset(
    {pending_counts, recent_users, segment_columns, users_by_hour, users_by_day, users_by_week}
)


class NotYet(Exception):
    """A later run goes on: somebody else's work has to be done first, or time is up."""


@dataclass
class Eraser:
    """Deletes what is to be deleted, a run at a time."""

    engine: Engine
    queue: EventQueue
    stopping: StopFlag
    faults: Faults = field(default_factory=lambda: Faults(WORK))
    # Of each site and when it was asked for, the batches that may have begun before that.
    held: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    # The site that had its turn last.
    last: str = ""
    # Of each site and table, the last key that was deleted: what is in front of it is deleted, and
    # would be walked over until the database forgets it.
    reached: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)

    def erase(self, now: int) -> list[str]:
        """Go on with all sites, for some seconds; returns those that are done. `now` is in ms.
        Raises Unavailable and redis.RedisError."""
        with translated_errors(), self.engine.begin() as connection:
            asked = fetch_erasing(connection)
        if not asked:
            self.held.clear()
            self.reached.clear()
            return []
        deadline = time.monotonic() + BUDGET_SECONDS
        # After the rows were read: whoever claims a batch from now on has seen them, too.
        under_way = set(self.queue.snapshot().batch_ids)
        for site_id, erasure in asked.items():
            this = site_id, erasure.asked_at
            self.held[this] = self.held.get(this, under_way) & under_way
        # Where time is up before all had a turn, the next run goes on behind them.
        behind_last = sorted(asked, key=lambda site_id: (site_id <= self.last, site_id))
        ready = [s for s in behind_last if not self.held[s, asked[s].asked_at]]
        done = []
        for turn, site_id in enumerate(ready):
            if turn and (time.monotonic() > deadline or self.stopping.is_set()):
                break
            self.last = site_id
            with own_fault(self.engine, partial(self.faults.note, site_id)):
                if self.erase_site(asked[site_id], now, deadline):
                    done.append(site_id)
        self.faults.end()
        return done

    def erase_site(self, erasure: Erasure, now: int, deadline: float) -> bool:
        """Whether nothing of it is left."""
        site_id = erasure.site_id
        try:
            if erasure.events is None:
                self.begin(site_id)
            found = self.delete_all(site_id, deadline)
        except NotYet:
            return False
        self.queue.forget_refusals(site_id, now)
        if found:  # once more: whoever was at work on it may have written something meanwhile
            return False
        number = self.end(erasure, now)
        log.info("deleted site %s with its %d events", site_id, number)
        return True

    def begin(self, site_id: str) -> None:
        """Note how many events are counted."""
        with translated_errors(), self.engine.begin() as connection:
            take_locks(connection, [site_id])
            counted = count_events(connection, site_id)
            row = update(erasures).prefix_with(LABEL).where(erasures.c.site_id == site_id)
            # Where another process was first, it has deleted some of them since.
            first = row.where(erasures.c.events.is_(None))
            connection.execute(first.values(events=counted))

    def delete_all(self, site_id: str, deadline: float) -> int:
        """How much there was. Raises NotYet."""
        number = 0
        for delete_some in self.portions(site_id):
            while some := self.timed(delete_some):
                number += some
                if time.monotonic() > deadline or self.stopping.is_set():
                    raise NotYet
        return number

    def portions(self, site_id: str) -> Iterator[Callable[[], int]]:
        """What each deletes some of a kind, and returns how many that were."""
        add_receipts(self.engine, self.stopping)
        yield partial(self.move_lines, site_id)
        for table in TABLES:
            yield partial(self.delete_rows, table, site_id)
        yield partial(self.delete_letters, site_id)

    def timed(self, delete_some: Callable[[], int]) -> int:
        started = time.monotonic()
        some = delete_some()
        if some:
            self.stopping.wait(max(PAUSE_SECONDS, time.monotonic() - started))
        return some

    def move_lines(self, site_id: str) -> int:
        """Some lines of its receipts become nobody's, and what they tell becomes `erased`. Raises
        NotYet where a batch's own are not added up."""
        key = tuple(receipts.primary_key)
        with translated_errors(), self.engine.begin() as connection:
            refuse_waiting(connection, site_id)
            statement = select(*receipts.columns).prefix_with(LABEL)
            its_own = statement.where(receipts.c.site_id == site_id).limit(CHUNK_ROWS)
            lines = [tuple(row) for row in connection.execute(its_own.with_for_update())]
            delete_by_keys(connection, receipts, key, [line[:-1] for line in lines], LABEL)
            days: Counter[int] = Counter()
            moved: Counter[tuple[str, str]] = Counter()
            for _, day, outcome, reason, number in lines:
                days[day] += number
                moved[outcome, reason] += number
            # First, as who ends it does.
            stored = update(erasures).prefix_with(LABEL).where(erasures.c.site_id == site_id)
            number = moved[str(Outcome.STORED), ""]
            connection.execute(stored.values(moved=erasures.c.moved + number))
            for day, number in sorted(days.items()):
                row = (NO_SITE, day, str(Outcome.ERASED), "", number)
                add(connection, receipts, row)
            move(connection, receipt_totals, moved)
            move(connection, outcomes, moved)
        return len(lines)

    def delete_rows(self, table: Table, site_id: str) -> int:
        key = tuple(table.primary_key)
        most = CHUNK_LARGE if table in LARGE else CHUNK_ROWS
        some = select(*key).prefix_with(LABEL).where(table.c["site_id"] == site_id)
        if (last := self.reached.get((site_id, table.name))) is not None:
            some = some.where(behind(key[1:], last[1:]))
        some = some.order_by(*key).limit(most)
        with translated_errors(), self.engine.begin() as connection:
            take_locks(connection, [site_id])
            found = [tuple(row) for row in connection.execute(some)]
            delete_by_keys(connection, table, key, found, LABEL)
        if len(found) == most and len(key) > 1:
            self.reached[site_id, table.name] = found[-1]
        else:  # at the end; whoever looks again begins anew
            self.reached.pop((site_id, table.name), None)
        return len(found)

    def delete_letters(self, site_id: str) -> int:
        """All of its dead letters: they are few, and have no site but in what they hold."""
        of = dead_letters.c
        statement = select(of.id, of.payload, of.is_base64).prefix_with(LABEL)
        with translated_errors(), self.engine.begin() as connection:
            its_own = [
                (row.id,)
                for page in pages(connection, statement, [of.id], size=CHUNK_ROWS)
                for row in page
                if site_of_letter(row.payload, is_base64=row.is_base64) == site_id
            ]
            delete_by_keys(connection, dead_letters, (of.id,), its_own, LABEL)
        return len(its_own)

    def end(self, begun: Erasure, now: int) -> int:
        """It is done; returns how many events it had."""
        of, site_id = erasures.c, begun.site_id
        with translated_errors(), self.engine.begin() as connection:
            row = select(erasures).prefix_with(LABEL).where(of.site_id == site_id)
            erasure = Erasure(*connection.execute(row.with_for_update()).one())
            number = erasure.events or 0
            if erasure.done_at is not None or erasure.asked_at != begun.asked_at:
                # Another process was first, and perhaps it was asked for again.
                return number
            # What versions without receipts stored.
            rest = Counter({(str(Outcome.STORED), ""): max(0, number - erasure.moved)})
            move(connection, outcomes, rest)
            lock = delete(site_locks).prefix_with(LABEL).where(site_locks.c.site_id == site_id)
            connection.execute(lock)
            ended = update(erasures).prefix_with(LABEL).where(of.site_id == site_id)
            connection.execute(ended.values(done_at=now))
        return max(number, erasure.moved)


def count_events(connection: Connection, site_id: str) -> int:
    """Those that are stored, or were and are pruned: merged or not."""
    weeks, pending = events_by_week.c, pending_counts.c
    merged = select(func.sum(weeks.events)).where(
        weeks.site_id == site_id, weeks.dimension == TOTAL
    )
    waiting = select(func.sum(pending.events)).where(pending.site_id == site_id)
    return sum(
        int(connection.scalar(statement.prefix_with(LABEL)) or 0) for statement in (merged, waiting)
    )


def refuse_waiting(connection: Connection, site_id: str) -> None:
    """Raises NotYet where a batch has told of the site, and that is not added up."""
    for (data,) in connection.execute(select(batch_receipts.c.data).prefix_with(LABEL)):
        if any(line.site_id == site_id for line in unpack_lines(data)):
            raise NotYet


def move(connection: Connection, table: Table, moved: Counter[tuple[str, str]]) -> None:
    """Take these off what they were, in `outcomes` or the sum of all receipts, and let them be
    `erased`. The rows are locked in the order in which batches lock theirs."""
    changes = {at: -number for at, number in moved.items() if number}
    if not changes:
        return
    erased = str(Outcome.ERASED), ""
    changes[erased] = changes.get(erased, 0) + moved.total()
    shard = (0,) if table is outcomes else ()
    for (outcome, reason), number in sorted(changes.items()):
        add(connection, table, (outcome, reason, *shard, number))


def add(connection: Connection, table: Table, row: tuple[Any, ...]) -> None:
    statement = insert_adding(connection, table, table.c["events"]).prefix_with(LABEL)
    connection.execute(statement, dict(zip(table.columns.keys(), row, strict=True)))
