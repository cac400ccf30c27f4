"""Parking what the database refuses, as it waited in Redis, for an operator to look at."""

import base64
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from shared.db.dialects import dialect_of
from shared.db.driver_rows import delete_by_keys
from shared.db.tables import dead_letters, dedupe
from shared.event import Event, decode_event, encode_event

MAX_REASON = 255


class DeadEvent(NamedTuple):
    """An event the database refuses, and why; `payload` is what waited in Redis."""

    payload: bytes
    reason: str
    # The idempotency key it came with, if any: (site_id, event_id).
    key: tuple[str, str] | None = None
    # Its site, and when it arrived in ms; None where it cannot be read.
    arrival: tuple[str, int] | None = None


def dead_event(event: Event, reason: str) -> DeadEvent:
    key = (event.site_id, event.event_id) if event.has_caller_id else None
    return DeadEvent(encode_event(event), reason, key, (event.site_id, event.received_at))


def park(connection: Connection, batch_id: str, dead: list[DeadEvent], now: int) -> None:
    """Enter refused events in the dead-letter table.

    Their idempotency keys are forgotten: requeued, or sent again, they must not be duplicates.
    """
    if not dead:
        return
    keys = [event.key for event in dead if event.key]
    if keys:
        columns = (dedupe.c.site_id, dedupe.c.event_id)
        delete_by_keys(connection, dedupe, columns, keys, "/* worker.dead_letters */")
    limit = dialect_of(connection).max_value_bytes
    letters = [letter_from(shortened(event, limit)) for event in dead]
    rows = [{"batch_id": batch_id, "dead_at": now, **letter} for letter in letters]
    connection.execute(dead_letters.insert().prefix_with("/* worker.dead_letters */"), rows)


def shortened(event: DeadEvent, limit: int | None) -> DeadEvent:
    """With the beginning of its payload only, where all of it is longer than the server takes: it
    must not stop the others. The doors take no event that is so long."""
    length = len(event.payload)
    if limit is None or length <= limit * 3 // 4:  # as Base64 it is longer by a third
        return event
    most = limit * 3 // 4
    why = f"cut to {most} of {length} bytes, for the database's max_allowed_packet; {event.reason}"
    return event._replace(payload=event.payload[:most], reason=why)


def site_of_letter(payload: str, *, is_base64: bool) -> str | None:
    """Whose event a dead letter is; None where that cannot be read."""
    try:
        return decode_event(base64.b64decode(payload) if is_base64 else payload.encode()).site_id
    except (msgspec.MsgspecError, ValueError):  # no event, cut off, or no Base64
        return None


def letter_from(event: DeadEvent) -> dict[str, object]:
    reason = event.reason[:MAX_REASON]
    try:
        payload = event.payload.decode()
    except UnicodeDecodeError:
        encoded = base64.b64encode(event.payload).decode()
        return {"reason": reason, "payload": encoded, "is_base64": True}
    return {"reason": reason, "payload": payload, "is_base64": False}
