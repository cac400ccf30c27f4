"""One batch, one transaction: what becomes of every event in it.

The ledger row comes first: a batch that was committed before stops there, and two workers with the
same batch wait for each other on it. Everything else commits with it or not at all, so this module
may be killed at any line and run again.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Connection, Engine

from shared.database import KnownKey, translated_errors
from shared.dialects import insert_adding, insert_ignoring_known
from shared.driver_rows import fetch_by_keys
from shared.errors import BatchHalted, PoisonEvent
from shared.event import MAX_EVENT_ID, MAX_NAME, Event, decode_event, decode_events
from shared.outcomes import Outcome
from shared.queue import Batch
from shared.tables import OUTCOME_SHARDS, batch_ledger, dedupe, outcomes
from worker.insert import Inserted, insert_all, insert_what_can_be, most_dead, primary_key
from worker.parking import DeadEvent, park
from worker.rollups import raise_rollups

Counts = Counter[tuple[Outcome, str]]


class AlreadyCommitted(Exception):
    """The batch's transaction was committed before; only its Redis list is left to delete."""


def commit_batch(engine: Engine, batch: Batch, now: int) -> Counts:
    """Store a batch; returns how many of its events came to which outcome. `now` is in ms.

    Raises AlreadyCommitted, BatchHalted, or Unavailable where a retry may succeed.
    """
    readable, dead = decoded(batch.payloads)
    try:
        return write_batch(engine, batch.id, readable, dead, now, insert_all)
    except (KnownKey, PoisonEvent):
        # Some event is there already or cannot be stored. Rare: find out which.
        return write_batch(engine, batch.id, readable, dead, now, insert_what_can_be)


def decoded(payloads: list[bytes]) -> tuple[list[Event], list[DeadEvent]]:
    """The events of a batch, and what in it is none."""
    try:
        together = decode_events(b"[" + b",".join(payloads) + b"]")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        together = []
    # A payload that is two events with a comma between them would count as two.
    if len(together) == len(payloads):
        return together, []
    readable: list[Event] = []
    dead: list[DeadEvent] = []
    for payload in payloads:
        try:
            readable.append(decode_event(payload))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            dead.append(DeadEvent(payload, f"unreadable: {error}"))
    return readable, dead


def write_batch(
    engine: Engine,
    batch_id: str,
    arrived: list[Event],
    unreadable: list[DeadEvent],
    now: int,
    insert: Callable[[Connection, list[Event], int], Inserted],
) -> Counts:
    """The transaction."""
    if len(unreadable) > most_dead(len(arrived) + len(unreadable)):
        raise BatchHalted(f"{len(unreadable)} events of one batch cannot be read")
    with translated_errors(), engine.begin() as connection:
        enter_ledger(connection, batch_id, now)
        new = without_known_ids(connection, batch_id, arrived, now)
        inserted = insert(connection, sorted(new, key=primary_key), len(unreadable))
        dead = unreadable + inserted.dead
        park(connection, batch_id, dead, now)
        raise_rollups(connection, batch_id, inserted.stored)
        counts: Counts = Counter()
        counts[Outcome.STORED, ""] = len(inserted.stored)
        counts[Outcome.DUPLICATE, ""] = len(arrived) - len(new) + inserted.duplicates
        counts[Outcome.DEAD, ""] = len(dead)
        count_outcomes(connection, batch_id, counts)
    return counts


def enter_ledger(connection: Connection, batch_id: str, now: int) -> None:
    statement = batch_ledger.insert().prefix_with("/* worker.ledger */")
    try:
        with translated_errors():
            connection.execute(statement, {"batch_id": batch_id, "committed_at": now})
    except KnownKey as error:
        raise AlreadyCommitted(batch_id) from error


def without_known_ids(
    connection: Connection, batch_id: str, arrived: list[Event], now: int
) -> list[Event]:
    """The events whose caller's id, if any, was not seen within the window nor earlier in here."""
    first: dict[tuple[str, str], Event] = {}
    for event in arrived:
        if is_keyed(event):
            first.setdefault((event.site_id, event.event_id), event)
    if not first:
        return arrived
    ours = remember_ids(connection, batch_id, sorted(first), now)
    return [
        event
        for event in arrived
        if not is_keyed(event)
        or (
            first[event.site_id, event.event_id] is event
            and (event.site_id, event.event_id) in ours
        )
    ]


def is_keyed(event: Event) -> bool:
    """Whether the caller's id can be remembered. One that is too long for its column would be cut
    without a word; left alone, it makes its event a dead letter."""
    fits = len(event.event_id) <= MAX_EVENT_ID and len(event.site_id) <= MAX_NAME
    return event.has_caller_id and fits


def remember_ids(
    connection: Connection, batch_id: str, ids: list[tuple[str, str]], now: int
) -> set[tuple[str, str]]:
    """Enter ids in the dedupe table; returns those that were not there. `ids` come sorted: two
    workers must lock rows in the same order."""
    statement = insert_ignoring_known(connection, dedupe).prefix_with("/* worker.dedupe */")
    rows = [
        {"site_id": site_id, "event_id": event_id, "batch_id": batch_id, "seen_at": now}
        for site_id, event_id in ids
    ]
    if connection.execute(statement, rows).rowcount == len(ids):
        return set(ids)
    columns = (dedupe.c.site_id, dedupe.c.event_id, dedupe.c.batch_id)
    known = fetch_by_keys(connection, columns, columns[:2], ids, "/* worker.dedupe */")
    return {(site_id, event_id) for site_id, event_id, first in known if first == batch_id}


def count_outcomes(connection: Connection, batch_id: str, counts: Counts) -> None:
    """Add to the outcome counters. Last in the transaction: workers of all sites share them."""
    shard = zlib.crc32(batch_id.encode()) % OUTCOME_SHARDS
    rows = outcome_rows(counts.items(), shard)
    if rows:
        statement = insert_adding(connection, outcomes, outcomes.c.events)
        connection.execute(statement.prefix_with("/* worker.outcomes */"), rows)


def outcome_rows(
    counts: Iterable[tuple[tuple[Outcome, str], int]], shard: int
) -> list[dict[str, object]]:
    return [
        {"outcome": str(outcome), "reason": reason, "shard": shard, "events": number}
        for (outcome, reason), number in sorted(counts)
        if number
    ]
