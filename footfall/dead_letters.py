"""Dead letters for the operator: list them, put them back in the queue, or discard them.

Nothing retries a dead letter by itself. A requeued event is accepted anew; the ledger counts both
its deaths and what becomes of it then, so it adds up whatever happens in between.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Engine, Row, delete, func, select

from shared.clock import iso_from_ms
from shared.db.database import translated_errors, writing_engine
from shared.db.tables import dead_letters
from shared.event import decode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings

CHUNK_ROWS = 500

Ids = tuple[int, ...] | None


@contextmanager
def opened(settings: Settings) -> Iterator[Engine]:
    engine = writing_engine(settings)
    try:
        with translated_errors():
            yield engine
    finally:
        engine.dispose()


def list_lines(settings: Settings, limit: int) -> Iterator[str]:
    """The oldest dead letters as JSON, one a line. Raises Unavailable."""
    statement = select(dead_letters).order_by(dead_letters.c.id).limit(limit)
    with opened(settings) as engine, engine.begin() as connection:
        rows = connection.execute(statement).all()
    for row in rows:
        yield json.dumps(described(row), ensure_ascii=False)


def described(row: Row[*tuple[Any, ...]]) -> dict[str, object]:
    return {
        "id": row.id,
        "dead_at": iso_from_ms(row.dead_at),
        "reason": row.reason,
        "event": event_of(row),
    }


def event_of(row: Row[*tuple[Any, ...]]) -> object:
    """The event by its field names where it can be read, else what waited in Redis."""
    try:
        event = decode_event(payload_of(row))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return row.payload
    return {name: getattr(event, name) for name in event.__struct_fields__}


def payload_of(row: Row[*tuple[Any, ...]]) -> bytes:
    return base64.b64decode(row.payload) if row.is_base64 else bytes(row.payload, "utf-8")


def requeue(settings: Settings, ids: Ids) -> int:
    """Put dead letters back in the queue; returns how many. Raises Unavailable.

    They are pushed before they are deleted. Dying in between leaves them in both places, and pushed
    once more they are duplicates by their event ids: never lost, never counted twice.
    """
    queue = EventQueue(settings)
    requeued = 0
    with opened(settings) as engine:
        # What dies again while this runs gets a higher id, and is left for the operator to see.
        last = last_id(engine)
        while rows := fetch_chunk(engine, ids, last):
            queue.push([payload_of(row) for row in rows])
            delete_rows(engine, tuple(row.id for row in rows))
            requeued += len(rows)
    queue.close()
    return requeued


def last_id(engine: Engine) -> int:
    with engine.begin() as connection:
        return connection.scalar(select(func.max(dead_letters.c.id))) or 0


def fetch_chunk(engine: Engine, ids: Ids, last: int) -> list[Row[*tuple[Any, ...]]]:
    statement = select(dead_letters).where(dead_letters.c.id <= last)
    statement = statement.order_by(dead_letters.c.id).limit(CHUNK_ROWS)
    if ids is not None:
        statement = statement.where(dead_letters.c.id.in_(ids))
    with engine.begin() as connection:
        return list(connection.execute(statement).all())


def delete_rows(engine: Engine, ids: Ids) -> int:
    statement = delete(dead_letters).prefix_with("/* footfall.dead_letters */")
    if ids is not None:
        statement = statement.where(dead_letters.c.id.in_(ids))
    with engine.begin() as connection:
        return connection.execute(statement).rowcount


def discard(settings: Settings, ids: Ids) -> int:
    """Delete dead letters; returns how many. Raises Unavailable."""
    with opened(settings) as engine:
        return delete_rows(engine, ids)
