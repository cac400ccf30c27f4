"""Inserting the events of a batch: all at once, or, where that fails, all that can be."""

from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec
from msgspec.structs import astuple
from sqlalchemy import Connection, Dialect

from shared.db.database import KnownKey, translated_errors
from shared.db.driver_rows import fetch_by_keys
from shared.db.tables import events
from shared.errors import BatchHalted, PoisonEvent
from shared.event import Event
from shared.fields import MADE_BY_WORKER
from worker.batch.parking import DeadEvent, dead_event
from worker.enrich.made import made_of

# An event as it waited, and what is made of it; begins with its primary key.
Row = tuple[object, ...]
Key = tuple[str, int, str]

KEY_COLUMNS = (events.c.site_id, events.c.timestamp, events.c.event_id)
# A few bad events are bad data and are parked; more than this in one batch is a bad deploy.
MAX_DEAD = 20
MAX_DEAD_SHARE = 0.05

encode_properties = msgspec.json.Encoder().encode

# What a row holds. Of two with one name the later is meant: `properties`, as text.
ROW_NAMES = (*Event.__struct_fields__, "properties", *(field.name for field in MADE_BY_WORKER))
PLACES = {name: place for place, name in enumerate(ROW_NAMES)}


class Inserted(NamedTuple):
    """What inserting events came to."""

    stored: list[Row]
    duplicates: int
    dead: list[DeadEvent]


def primary_key(event: Event) -> Key:
    return event.site_id, event.timestamp, event.event_id


def insert_all(connection: Connection, new: list[Event], _dead: int) -> Inserted:
    """Insert all or raise: KnownKey, PoisonEvent."""
    rows = [row_from(event) for event in new]
    if rows:
        insert_rows(connection, rows)
    return Inserted(rows, 0, [])


def insert_what_can_be(connection: Connection, new: list[Event], dead: int) -> Inserted:
    """Insert what is neither there already nor refused; `dead` were refused before.

    Raises BatchHalted as soon as too many are refused.
    """
    unknown = without_known(connection, new)
    inserted = insert_splitting(connection, unknown, most_dead(len(new) + dead) - dead)
    return inserted._replace(duplicates=inserted.duplicates + len(new) - len(unknown))


def without_known(connection: Connection, new: list[Event]) -> list[Event]:
    """The events whose primary key is not in the table, each once."""
    unknown = {primary_key(event): event for event in reversed(new)}
    keys = [key for key in unknown if -(2**63) <= key[1] < 2**63]
    label = "/* worker.known_events */"
    for known in fetch_by_keys(connection, KEY_COLUMNS, KEY_COLUMNS, keys, label):
        unknown.pop(known, None)
    return sorted(unknown.values(), key=primary_key)


def insert_splitting(connection: Connection, new: list[Event], most: int) -> Inserted:
    """Insert what can be inserted, halving what fails down to the events to blame."""
    whole = Inserted([], 0, [])
    waiting = [new]
    while waiting:
        part = waiting.pop()
        inserted = try_to_insert(connection, part)
        if inserted is None:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]
            continue
        whole = Inserted(
            whole.stored + inserted.stored,
            whole.duplicates + inserted.duplicates,
            whole.dead + inserted.dead,
        )
        if len(whole.dead) > most:
            raise BatchHalted(f"more than {most} events of one batch cannot be stored")
    return whole


def try_to_insert(connection: Connection, part: list[Event]) -> Inserted | None:
    """What became of these events; None where one of several is to blame."""
    try:
        with translated_errors(), connection.begin_nested():
            return insert_all(connection, part, 0)
    except KnownKey:  # another worker was first, a moment ago
        return Inserted([], 1, []) if len(part) == 1 else None
    except PoisonEvent as error:
        return Inserted([], 0, [dead_event(part[0], str(error))]) if len(part) == 1 else None


def most_dead(total: int) -> int:
    """How many of `total` events may be refused before that is no accident."""
    return max(MAX_DEAD, int(MAX_DEAD_SHARE * total))


def insert_rows(connection: Connection, rows: list[Row]) -> None:
    """One INSERT of many rows, without the columns that none of them fills.

    PyMySQL writes every value into the statement, NULLs too, at half a microsecond each: that is
    a sixth of the batch where six of sixteen columns are empty, as they mostly are.
    """
    values_of = dict(zip(ROW_NAMES, zip(*rows, strict=True), strict=True))
    filled = tuple(
        column.name for column in events.columns if values_of[column.name].count(None) < len(rows)
    )
    statement = insert_sql(connection.dialect, filled)
    pick = itemgetter(*(PLACES[name] for name in filled))
    connection.exec_driver_sql(statement, list(map(pick, rows)))


@lru_cache(maxsize=64)
def insert_sql(dialect: Dialect, filled: tuple[str, ...]) -> str:
    """The INSERT as the driver takes it: rows go in as tuples, past SQLAlchemy's per-row work."""
    statement = events.insert().prefix_with("/* worker.events */")
    return str(statement.compile(dialect=dialect, column_keys=filled))


def row_from(event: Event) -> Row:
    """The values of ROW_NAMES."""
    properties = event.properties
    text = None if properties is None else encode_properties(properties).decode()
    return (*astuple(event), text, *made_of(event))
