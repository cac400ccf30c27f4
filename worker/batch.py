"""One batch, one transaction: what becomes of every event in it.

The ledger row comes first: a batch that was committed before stops there, and two workers with the
same batch wait for each other on it. Everything else commits with it or not at all, so this module
may be killed at any line and run again.
"""

import base64
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Dialect, Engine, select, tuple_

from shared.database import KnownKey, translated_errors
from shared.dialects import insert_adding, insert_ignoring_known
from shared.errors import BatchHalted, PoisonEvent
from shared.event import Event, decode_event, decode_events, encode_event
from shared.outcomes import Outcome
from shared.queue import Batch
from shared.tables import OUTCOME_SHARDS, batch_ledger, dead_letters, dedupe, events, outcomes

# A few bad events are bad data and are parked; more than this in one batch is a bad deploy.
MAX_DEAD = 20
MAX_DEAD_SHARE = 0.05
MAX_REASON = 255

Row = tuple[object, ...]
Counts = Counter[tuple[Outcome, str]]

encode_properties = msgspec.json.Encoder().encode


class AlreadyCommitted(Exception):
    """The batch's transaction was committed before; only its Redis list is left to delete."""


class DeadEvent(NamedTuple):
    """An event the database refuses, and why; `payload` is what waited in Redis."""

    payload: bytes
    reason: str
    # The idempotency key it came with, if any: (site_id, event_id).
    key: tuple[str, str] | None = None


class Inserted(NamedTuple):
    """What inserting the events came to."""

    stored: list[Event]
    duplicates: int
    dead: list[DeadEvent]


def commit_batch(engine: Engine, batch: Batch, now: int) -> Counts:
    """Store a batch; returns how many of its events came to which outcome. `now` is in ms.

    Raises AlreadyCommitted, BatchHalted, or Unavailable where a retry may succeed.
    """
    readable, dead = decoded(batch.payloads)
    try:
        return write_batch(engine, batch.id, readable, dead, now, insert_all)
    except (KnownKey, PoisonEvent):
        # Some event is there already or cannot be stored. Rare: find out which, one by one.
        return write_batch(engine, batch.id, readable, dead, now, insert_splitting)


def decoded(payloads: list[bytes]) -> tuple[list[Event], list[DeadEvent]]:
    """The events of a batch, and what in it is none."""
    try:
        return decode_events(b"[" + b",".join(payloads) + b"]"), []
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
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
    insert: Callable[[Connection, list[Event]], Inserted],
) -> Counts:
    """The transaction."""
    with translated_errors(), engine.begin() as connection:
        enter_ledger(connection, batch_id, now)
        new = without_known_ids(connection, batch_id, arrived, now)
        inserted = insert(connection, sorted(new, key=primary_key))
        dead = unreadable + inserted.dead
        refuse_mass_death(len(dead), len(arrived) + len(unreadable))
        park(connection, batch_id, dead, now)
        # Rollups are raised here, by exactly `inserted.stored`.
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
        if event.has_caller_id:
            first.setdefault((event.site_id, event.event_id), event)
    if not first:
        return arrived
    ours = remember_ids(connection, batch_id, sorted(first), now)
    return [
        event
        for event in arrived
        if not event.has_caller_id
        or (
            first[event.site_id, event.event_id] is event
            and (event.site_id, event.event_id) in ours
        )
    ]


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
    mine = (
        select(dedupe.c.site_id, dedupe.c.event_id)
        .prefix_with("/* worker.dedupe */")
        .where(tuple_(dedupe.c.site_id, dedupe.c.event_id).in_(ids), dedupe.c.batch_id == batch_id)
    )
    return {(row.site_id, row.event_id) for row in connection.execute(mine)}


def primary_key(event: Event) -> tuple[str, int, str]:
    return event.site_id, event.timestamp, event.event_id


def insert_all(connection: Connection, new: list[Event]) -> Inserted:
    """Insert all or raise: KnownKey, PoisonEvent."""
    if new:
        insert_rows(connection, [row_from(event) for event in new])
    return Inserted(new, 0, [])


def insert_rows(connection: Connection, rows: list[Row]) -> None:
    """One INSERT of many rows, without the columns that none of them fills.

    PyMySQL writes every value into the statement, NULLs too, at half a microsecond each: that is
    a sixth of the batch where six of sixteen columns are empty, as they mostly are.
    """
    filled = [
        i for i, column in enumerate(zip(*rows, strict=True)) if column.count(None) < len(rows)
    ]
    statement = insert_sql(connection.dialect, tuple(filled))
    connection.exec_driver_sql(statement, list(map(itemgetter(*filled), rows)))


def insert_splitting(connection: Connection, new: list[Event]) -> Inserted:
    """Insert what can be inserted, halving what fails down to the events to blame."""
    try:
        with translated_errors(), connection.begin_nested():
            return insert_all(connection, new)
    except KnownKey:
        if len(new) == 1:
            return Inserted([], 1, [])
    except PoisonEvent as error:
        if len(new) == 1:
            return Inserted([], 0, [dead_event(new[0], str(error))])
    middle = len(new) // 2
    left = insert_splitting(connection, new[:middle])
    right = insert_splitting(connection, new[middle:])
    return Inserted(
        left.stored + right.stored, left.duplicates + right.duplicates, left.dead + right.dead
    )


def dead_event(event: Event, reason: str) -> DeadEvent:
    key = (event.site_id, event.event_id) if event.has_caller_id else None
    return DeadEvent(encode_event(event), reason, key)


@lru_cache(maxsize=64)
def insert_sql(dialect: Dialect, filled: tuple[int, ...]) -> str:
    """The INSERT as the driver takes it: rows go in as tuples, past SQLAlchemy's per-row work."""
    names = [column.name for i, column in enumerate(events.columns) if i in filled]
    statement = events.insert().prefix_with("/* worker.events */")
    return str(statement.compile(dialect=dialect, column_keys=names))


def row_from(event: Event) -> Row:
    """An event as the columns of `events`, in their order."""
    properties = event.properties
    return (
        event.site_id,
        event.timestamp,
        event.event_id,
        event.event_type,
        event.received_at,
        event.path,
        event.user_id,
        event.session_id,
        event.referrer,
        event.title,
        event.user_agent,
        event.country,
        event.utm_source,
        event.utm_medium,
        event.utm_campaign,
        None if properties is None else encode_properties(properties).decode(),
    )


def refuse_mass_death(dead: int, total: int) -> None:
    if dead > max(MAX_DEAD, MAX_DEAD_SHARE * total):
        raise BatchHalted(f"{dead} of {total} events of one batch cannot be stored")


def park(connection: Connection, batch_id: str, dead: list[DeadEvent], now: int) -> None:
    """Enter refused events in the dead-letter table, as they waited in Redis.

    Their idempotency keys are forgotten: requeued, or sent again, they must not be duplicates.
    """
    if not dead:
        return
    keys = [event.key for event in dead if event.key]
    if keys:
        seen = tuple_(dedupe.c.site_id, dedupe.c.event_id).in_(keys)
        connection.execute(dedupe.delete().prefix_with("/* worker.dead_letters */").where(seen))
    rows = [{"batch_id": batch_id, "dead_at": now, **letter_from(event)} for event in dead]
    connection.execute(dead_letters.insert().prefix_with("/* worker.dead_letters */"), rows)


def letter_from(event: DeadEvent) -> dict[str, object]:
    reason = event.reason[:MAX_REASON]
    try:
        payload = event.payload.decode()
    except UnicodeDecodeError:
        encoded = base64.b64encode(event.payload).decode()
        return {"reason": reason, "payload": encoded, "is_base64": True}
    return {"reason": reason, "payload": payload, "is_base64": False}


def count_outcomes(connection: Connection, batch_id: str, counts: Counts) -> None:
    """Add to the outcome counters. Last in the transaction: other workers wait for these rows."""
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
