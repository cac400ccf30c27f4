"""One batch, one transaction: what becomes of every event in it.

The ledger row comes first: a batch that was committed before stops there, and two workers with the
same batch wait for each other on it. Everything else commits with it or not at all, so this module
may be killed at any line and run again.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine

from shared.db.database import KnownKey, translated_errors
from shared.db.dialects import insert_adding, insert_ignoring_known
from shared.db.driver_rows import fetch_by_keys, insert_tuples
from shared.db.tables import OUTCOME_SHARDS, TAKER_BYTES, batch_ledger, dedupe, outcomes
from shared.errors import BatchHalted, PoisonEvent
from shared.event import Event, decode_event, decode_events
from shared.fields import MAX_EVENT_ID, MAX_NAME
from shared.outcomes import DropReason, Outcome
from shared.queue.event_queue import Batch
from worker.batch.erased import erasures_of, split_erased
from worker.batch.insert import (
    PLACES,
    ROW_NAMES,
    Inserted,
    Row,
    insert_all,
    insert_what_can_be,
    most_dead,
    primary_key,
)
from worker.batch.parking import DeadEvent, park
from worker.batch.receipt import receipt_of, write_receipt
from worker.counting.bursts import delete_rows, find_excess
from worker.counting.columns import Columns
from worker.counting.pending import append_pending, take_back
from worker.counting.users import Numbers, User, UserNumbers
from worker.enrich.bots import BotRule, split_crawlers

Counts = Counter[tuple[Outcome, str]]

KEEP_ALL = BotRule()


class AlreadyCommitted(Exception):
    """The batch's transaction was committed before; only its Redis list is left to delete."""


class Opened(NamedTuple):
    """A batch, read: its events, those of crawlers and of sites that are deleted, and what in it is
    no event; and the numbers of its users."""

    id: str
    arrived: list[Event]
    crawlers: list[Event]
    erased: list[Event]
    unreadable: list[DeadEvent]
    numbers: Numbers


def commit_batch(
    engine: Engine,
    batch: Batch,
    now: int,
    rule: BotRule = KEEP_ALL,
    numbers: UserNumbers | None = None,
) -> Counts:
    """Store a batch; returns how many of its events came to which outcome. `now` is in ms;
    `numbers` are what this process has taken of them.

    Raises AlreadyCommitted, BatchHalted, or Unavailable where a retry may succeed.
    """
    readable, unreadable = decoded(batch.payloads)
    numbers = numbers or UserNumbers(engine)
    erasures = erasures_of(engine, readable)
    numbers.begin_anew(erasures)
    rest, erased = split_erased(erasures, readable)
    arrived, crawlers = split_crawlers(rest, rule)
    known = number_users(numbers, arrived)
    opened = Opened(batch.id, arrived, crawlers, erased, unreadable, known)
    try:
        return write_batch(engine, opened, now, rule, insert_all)
    except (KnownKey, PoisonEvent):
        # Some event is there already or cannot be stored. Rare: find out which.
        return write_batch(engine, opened, now, rule, insert_what_can_be)


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
    opened: Opened,
    now: int,
    rule: BotRule,
    insert: Callable[[Connection, list[Event], int], Inserted],
) -> Counts:
    """The transaction."""
    batch_id, arrived, crawlers, erased, unreadable, _ = opened
    number = len(arrived) + len(crawlers) + len(erased) + len(unreadable)
    if len(unreadable) > most_dead(number):
        raise BatchHalted(f"{len(unreadable)} events of one batch cannot be read")
    with translated_errors(), engine.begin() as connection:
        enter_ledger(connection, batch_id, now)
        new = without_known_ids(connection, batch_id, arrived, now)
        inserted = insert(connection, sorted(new, key=primary_key), len(unreadable))
        dead = unreadable + inserted.dead
        park(connection, batch_id, dead, now)
        excess = count_rows(connection, opened, inserted.stored, rule.burst_limit, now)
        lines = receipt_of(arrived, crawlers, erased, inserted.stored, excess, dead, now)
        write_receipt(connection, batch_id, lines)
        counts: Counts = Counter()
        counts[Outcome.STORED, ""] = len(inserted.stored) - len(excess)
        counts[Outcome.DUPLICATE, ""] = len(arrived) - len(new) + inserted.duplicates
        counts[Outcome.DROPPED, DropReason.BOT] = len(crawlers)
        counts[Outcome.DROPPED, DropReason.BURST] = len(excess)
        counts[Outcome.DEAD, ""] = len(dead)
        counts[Outcome.ERASED, ""] = len(erased)
        count_outcomes(connection, batch_id, counts)
    return counts


def number_users(numbers: UserNumbers, arrived: list[Event]) -> Numbers:
    """The numbers of those whose events these are. Raises Unavailable."""
    wanted = users_of(arrived)
    # Among many, a name that is too long would be cut without a word.
    misfits = {user for user in wanted if max(map(len, user)) > MAX_NAME}
    known = numbers.of(wanted - misfits)
    for user in misfits:
        known |= numbers.of_misfit(user)
    return known


def users_of(arrived: list[Event]) -> set[User]:
    return {(event.site_id, event.user_id) for event in arrived if event.user_id is not None}


def count_rows(
    connection: Connection, opened: Opened, rows: list[Row], burst_limit: int, now: int
) -> list[Row]:
    """Append the rows inserted to what is to be merged, save those that are too many of a burst:
    these are deleted again, and returned."""
    if not rows:
        return []
    columns, user_ids = Columns.of_rows(rows, ROW_NAMES), users_in(rows)
    numbers = numbers_in(columns, user_ids, opened.numbers)
    keys = append_pending(connection, opened.id, columns, numbers, now)
    excess = (
        find_excess(connection, opened.id, columns, user_ids, burst_limit, now)
        if burst_limit
        else []
    )
    too_many = [rows[index] for index in excess]
    if too_many:
        delete_rows(connection, too_many)
        take_back(connection, keys)
        kept = [rows[index] for index in sorted(set(range(len(rows))).difference(excess))]
        if kept:
            columns = Columns.of_rows(kept, ROW_NAMES)
            numbers = numbers_in(columns, users_in(kept), opened.numbers)
            append_pending(connection, opened.id, columns, numbers, now)
    return too_many


def users_in(rows: list[Row]) -> list[Any]:
    place = PLACES["user_id"]
    return [row[place] for row in rows]


def numbers_in(columns: Columns, user_ids: list[Any], known: Numbers) -> list[int | None]:
    """The number of each row's user; None where it has none."""
    return [
        None if user_id is None else known[site_id, user_id]
        for site_id, user_id in zip(columns.site_ids, user_ids, strict=True)
    ]


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
    # Only a batch looks for itself there: half of its id will do, and less is written.
    whose = blake2b(batch_id.encode(), digest_size=TAKER_BYTES).hexdigest()
    rows = [(*identity, whose, now) for identity in ids]
    if insert_tuples(connection, statement, rows) == len(ids):
        return set(ids)
    columns = (dedupe.c.site_id, dedupe.c.event_id, dedupe.c.batch_id)
    known = fetch_by_keys(connection, columns, columns[:2], ids, "/* worker.dedupe */")
    return {(site_id, event_id) for site_id, event_id, first in known if first == whose}


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
        {"outcome": str(outcome), "reason": str(reason), "shard": shard, "events": number}
        for (outcome, reason), number in sorted(counts)
        if number
    ]
