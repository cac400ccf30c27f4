"""Forgetting what nobody needs any more, in chunks too small for anybody to wait for."""

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Column, Connection, Engine, Table, delete, func, select, true, update

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.db.database import translated_errors
from shared.db.dialects import insert_ignoring_known
from shared.db.driver_rows import delete_by_keys
from shared.db.tables import (
    batch_ledger,
    dedupe,
    events,
    segments,
    site_retention,
    sites,
    view_places,
    views_by_second,
)
from worker.stopping import StopFlag
from worker.stored.segment_rows import delete_segments
from worker.stored.site_locks import take_locks
from worker.stored.site_rows import is_behind
from worker.stored.sparse_days import fetch_before
from worker.upkeep.ages import Oldest, fetch_oldest
from worker.upkeep.own_fault import Faults, own_fault

log = logging.getLogger(__name__)

# A batch id is needed while its Redis list may still exist; a week outlasts any restart.
LEDGER_DAYS = 7
# A run forgets no more than what is this much younger than the oldest: where the clock is a week
# ahead, hours are lost until somebody sees it, and not the week. Runs are an hour apart.
STEP_MS = 6 * HOUR_MS
# A user's views in one second that arrive further apart than this are no burst.
BURST_MS = 10 * MINUTE_MS
CHUNK_ROWS = 1000
CHUNK_PLACES = 5000
CHUNK_SEGMENTS = 10
# Named in one statement. From a thousand on, MariaDB no longer seeks each.
CHUNK_SITES = 500
# A run that deletes events ends after this, so that other work gets its turn; another goes on.
BUDGET_SECONDS = 20.0
# Batches get their turn between two chunks, for at least as long as a chunk took.
PAUSE_SECONDS = 0.02

WORK = "deletion of old events"

# Deletes a site's oldest that are older than a moment, in ms; returns how many.
Prune = Callable[[Engine, str, int], int]


class Old(NamedTuple):
    """What is to be deleted of a site: by which function, how much at a time, and before when."""

    prune_some: Prune
    most: int
    site_id: str
    before: int


def prune(engine: Engine, now: int, dedupe_days: int, held_batches: list[str]) -> int:
    """Delete old idempotency keys, seconds and ledger rows; returns how many. `now` is in ms.

    A batch that Redis still holds keeps its ledger row however old: it stops a second count. How
    old ids of events and batches are, the last batch tells: this clock may be ahead.
    """
    seconds = views_by_second
    pruned = prune_older(engine, seconds, seconds.c.seen_at, now - BURST_MS, ())
    last = min(now, last_commit(engine, now))
    pruned += prune_older(engine, dedupe, dedupe.c.seen_at, last - dedupe_days * DAY_MS, ())
    before = last - LEDGER_DAYS * DAY_MS
    held = tuple(held_batches)
    return pruned + prune_older(engine, batch_ledger, batch_ledger.c.committed_at, before, held)


def forget_places(engine: Engine, now: int) -> int:
    """Delete the places of views that took them long ago, some thousands at a time."""
    at = view_places.c.taken_at
    oldest = select(at).where(at < now - BURST_MS).order_by(at).prefix_with("/* worker.places */")
    forgotten = 0
    while True:
        with translated_errors(), engine.begin() as connection:
            first = connection.scalar(oldest.limit(1))
            if first is None:
                return forgotten
            last = connection.scalar(oldest.limit(1).offset(CHUNK_PLACES)) or now - BURST_MS
            old = delete(view_places).where(at <= max(first, last - 1))
            forgotten += connection.execute(old.prefix_with("/* worker.places */")).rowcount


def last_commit(engine: Engine, default: int) -> int:
    """When the last batch was committed, in ms of its worker's clock."""
    last = select(func.max(batch_ledger.c.committed_at)).prefix_with("/* worker.prune */")
    with translated_errors(), engine.begin() as connection:
        return connection.scalar(last) or default


def prune_older(
    engine: Engine, table: Table, moment: Column[int], before: int, kept: tuple[str, ...]
) -> int:
    key = tuple(table.primary_key)
    may_go = table.c.batch_id.not_in(kept) if kept else true()
    oldest = select(func.min(moment)).where(may_go).prefix_with("/* worker.prune */")
    with translated_errors(), engine.begin() as connection:
        before = min(before, (connection.scalar(oldest) or 0) + STEP_MS)
    # Locked: a batch may be about to write such a row anew, and that one must stay.
    old = select(*key).where(moment < before, may_go).limit(CHUNK_ROWS).with_for_update()
    pruned = 0
    while True:
        with translated_errors(), engine.begin() as connection:
            found = [tuple(row) for row in connection.execute(old)]
            delete_by_keys(connection, table, key, found, "/* worker.prune */")
        pruned += len(found)
        if len(found) < CHUNK_ROWS:
            return pruned


def prune_events(
    engine: Engine,
    now: int,
    max_age_days: int | None,
    stopping: StopFlag,
    faults: Faults | None = None,
) -> bool:
    """Delete the events of whole UTC days that are older than their site's age, which is
    `max_age_days` where it has none of its own; their rollups stay. None are deleted of sites that
    have a sparse day among these: see worker/upkeep/filling.py.

    `now` is in ms; `faults` are told of sites for which it fails. False where time was up or a stop
    is requested, before all were deleted. Raises Unavailable.
    """
    faults = faults or Faults(WORK)
    oldest = fetch_oldest(engine, now, max_age_days)
    waiting = what_to_prune(engine, oldest)
    if waiting:
        # Committed first: where events are missing, everybody knows that they may be.
        raise_pruned_before(engine, {old.site_id: old.before for old in waiting})
        raise_pruned_before(engine, fetch_outdated(engine, oldest))
    pruned = 0
    deadline = time.monotonic() + BUDGET_SECONDS  # what comes before takes long of many sites
    while waiting and time.monotonic() < deadline and not stopping.is_set():
        started = time.monotonic()
        old = waiting[-1]
        deleted = 0  # where it fails, until the next hour
        with own_fault(engine, partial(faults.note, old.site_id)):
            deleted = old.prune_some(engine, old.site_id, old.before)
        pruned += deleted if old.prune_some is prune_chunk else 0
        if deleted < old.most:
            waiting.pop()
        stopping.wait(max(PAUSE_SECONDS, time.monotonic() - started))
    if pruned:
        log.info("deleted %d events past their age", pruned)
    if not waiting:
        faults.end()
    return not waiting


def what_to_prune(engine: Engine, oldest: Oldest) -> list[Old]:
    """The last comes first: segments go before events, and events only of sites all of whose events
    are counted."""
    with translated_errors(), engine.begin() as connection:
        known = connection.scalars(select(sites.c.site_id).order_by(sites.c.site_id)).all()
        with_events = [
            Old(prune_chunk, CHUNK_ROWS, site_id, before)
            for site_id in known
            if (before := oldest.of(site_id)) is not None
            and oldest_events(connection, site_id, before, 1)
            and not is_behind(connection, site_id)
        ]
        firsts = select(segments.c.site_id, func.min(segments.c.bucket)).group_by(
            segments.c.site_id
        )
        with_segments = [
            Old(prune_segments, CHUNK_SEGMENTS, site_id, before)
            for site_id, first in connection.execute(
                firsts.prefix_with("/* worker.prune_segments */")
            )
            if (before := oldest.of(site_id)) is not None and first < before
        ]
    return [*with_events, *with_segments]


def oldest_events(
    connection: Connection, site_id: str, before: int, most: int
) -> list[tuple[object, ...]]:
    """The keys of a site's oldest events."""
    statement = (
        select(*events.primary_key)
        .prefix_with("/* worker.prune_events */")
        .where(events.c.site_id == site_id, events.c.timestamp < before)
        .order_by(events.c.timestamp, events.c.event_id)
        .limit(most)
    )
    return [tuple(row) for row in connection.execute(statement)]


def fetch_outdated(engine: Engine, oldest: Oldest) -> dict[str, int]:
    """The sites of which events were deleted once, and before which moment none is left by now:
    those with the same are compared with their counts together, see worker/verify."""
    with translated_errors(), engine.begin() as connection:
        rows = connection.execute(select(site_retention).prefix_with("/* worker.retention */"))
        return {
            site_id: before
            for site_id, pruned_before in rows
            if (before := oldest.of(site_id)) is not None and before > pruned_before
        }


def raise_pruned_before(engine: Engine, befores: Mapping[str, int]) -> None:
    """Let everybody know that events of these sites may be gone that are before a moment; never
    less than was said already."""
    of = site_retention.c
    ordered = sorted(befores.items(), key=lambda item: (item[1], item[0]))
    for before, some in groupby(ordered, key=lambda item: item[1]):
        site_ids = [site_id for site_id, _ in some]
        for first in range(0, len(site_ids), CHUNK_SITES):
            chunk = site_ids[first : first + CHUNK_SITES]
            with translated_errors(), engine.begin() as connection:
                rows = [{"site_id": site_id, "pruned_before": before} for site_id in chunk]
                connection.execute(insert_ignoring_known(connection, site_retention), rows)
                lower = update(site_retention).where(
                    of.site_id.in_(chunk), of.pruned_before < before
                )
                connection.execute(
                    lower.values(pruned_before=before).prefix_with("/* worker.retention */")
                )


def prune_chunk(engine: Engine, site_id: str, before: int) -> int:
    """Delete a site's oldest events, merged or not; returns how many. Of a site that has a sparse
    day among them, none: what is not counted is in them alone.

    Whoever rebuilds a day of the site holds this lock meanwhile, and must not see half of it. The
    rows are named one by one: a range would wait for a batch that inserts into it.
    """
    with translated_errors(), engine.begin() as connection:
        take_locks(connection, [site_id])
        if fetch_before(connection, site_id, before):
            return 0
        # One that was written since they were looked for; from now on nobody writes any.
        delete_segments(connection, site_id, end=before, most=CHUNK_SEGMENTS)
        found = oldest_events(connection, site_id, before, CHUNK_ROWS)
        key = tuple(events.primary_key)
        delete_by_keys(connection, events, key, found, "/* worker.prune_events */")
        return len(found)


def prune_segments(engine: Engine, site_id: str, before: int) -> int:
    """Delete a site's oldest segments; returns how many. Nobody makes any of pruned days."""
    with translated_errors(), engine.begin() as connection:
        take_locks(connection, [site_id])
        return delete_segments(connection, site_id, end=before, most=CHUNK_SEGMENTS)
