"""What the rollups of a day should hold, by plain SQL over `events`: nothing of it is shared with
the code that writes them, save the names of what is counted."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyroaring import BitMap
from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, not_, or_, select

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.counts.rollups import ROLLED_UP, TOTAL, TOTAL_KEY, Rollup, bucket_start, value_key
from shared.db.tables import events, users
from shared.fields import EVENT_TYPE
from worker.stored.key_order import pages
from worker.stored.site_rows import MAX_NUMBER

# Counted in one statement: a day of ten million takes longer than a statement may.
SLICE_EVENTS = 200_000

# What every event has for the dimension TOTAL.
TOTAL_VALUE = literal("")
VALUES_OF_USERS = {TOTAL: TOTAL_VALUE, EVENT_TYPE: events.c.event_type, **ROLLED_UP}
ITS_USER = and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id)


class Cell(NamedTuple):
    """What a row of a rollup is about. Users are of all types of events: theirs is empty."""

    bucket: int
    dimension: str
    value_key: bytes
    event_type: str

    def in_bucket(self, bucket_ms: int) -> "Cell":
        return self._replace(bucket=bucket_start(self.bucket, bucket_ms))


@dataclass
class Recount:
    """A site's day."""

    events: int = 0
    minutes: dict[Cell, int] = field(default_factory=dict)
    hours: dict[Cell, int] = field(default_factory=dict)
    users: dict[Cell, BitMap] = field(default_factory=lambda: defaultdict(BitMap))
    texts: dict[bytes, str] = field(default_factory=dict)
    # Who should have a number, and has none that can be.
    unnumbered: set[str] = field(default_factory=set)

    def counts_of(self, rollup: Rollup) -> dict[Cell, int]:
        if not rollup.has_dimensions:
            return self.minutes
        counts: dict[Cell, int] = defaultdict(int)
        for cell, number in self.hours.items():
            counts[cell.in_bucket(rollup.bucket_ms)] += number
        return counts

    def users_by(self, bucket_ms: int) -> dict[Cell, BitMap]:
        sets: dict[Cell, BitMap] = defaultdict(BitMap)
        for cell, members in self.users.items():
            sets[cell.in_bucket(bucket_ms)] |= members
        return sets


def recount_day(connection: Connection, site_id: str, day: int) -> Recount:
    of_site = events.c.site_id == site_id
    of_day = and_(of_site, events.c.timestamp >= day, events.c.timestamp < day + DAY_MS)
    counted = select(func.count()).select_from(events).where(of_day)
    recount = Recount(events=connection.scalar(counted) or 0)
    for start, end in slices(day, recount.events):
        among = and_(of_site, events.c.timestamp >= start, events.c.timestamp < end)
        add_minutes(connection, recount, among, start)
        add_hours(connection, recount, among, start)
        add_unnumbered(connection, recount, among)
    add_users(connection, recount, site_id, day)
    return recount


def slices(day: int, number: int) -> Iterator[tuple[int, int]]:
    """The day in whole hours, as many at a time as hold SLICE_EVENTS where all are alike."""
    step = max(1, 24 * SLICE_EVENTS // max(number, 1)) * HOUR_MS
    for start in range(day, day + DAY_MS, step):
        yield start, min(start + step, day + DAY_MS)


def add_minutes(
    connection: Connection, recount: Recount, among: ColumnElement[bool], start: int
) -> None:
    for step, event_type, number in connection.execute(
        select_counts(among, start, MINUTE_MS, events.c.event_type)
    ):
        bucket = start + int(step) * MINUTE_MS
        recount.minutes[Cell(bucket, TOTAL, TOTAL_KEY, event_type)] = int(number)


def add_hours(
    connection: Connection, recount: Recount, among: ColumnElement[bool], start: int
) -> None:
    for dimension, column in {TOTAL: TOTAL_VALUE, **ROLLED_UP}.items():
        for step, event_type, value, number in connection.execute(
            select_counts(among, start, HOUR_MS, events.c.event_type, column)
        ):
            bucket = start + int(step) * HOUR_MS
            cell = Cell(bucket, dimension, keyed(recount, value), event_type)
            recount.hours[cell] = int(number)


def select_counts(
    among: ColumnElement[bool], start: int, step_ms: int, *columns: ColumnElement[str]
) -> Select[*tuple[Any, ...]]:
    """step, columns and how many events; steps are counted from `start`."""
    step = ((events.c.timestamp - start) // step_ms).label("step")
    return (
        select(step, *columns, func.count())
        .prefix_with("/* worker.verify */")
        .where(among, *(column.is_not(None) for column in columns))
        .group_by(step, *columns)
    )


def add_users(connection: Connection, recount: Recount, site_id: str, day: int) -> None:
    key = (events.c.timestamp, events.c.event_id)
    statement = (
        select(*key, users.c.number, *VALUES_OF_USERS.values())
        .prefix_with("/* worker.verify */")
        .join_from(events, users, ITS_USER)
        .where(events.c.site_id == site_id, events.c.timestamp < day + DAY_MS)
        .where(can_be(users.c.number))
    )
    for page in pages(connection, statement, key, start=day):
        moments, _, numbers, *columns = zip(*page, strict=True)
        hours = [moment - moment % HOUR_MS for moment in moments]
        for dimension, values in zip(VALUES_OF_USERS, columns, strict=True):
            members: dict[tuple[int, str], list[int]] = defaultdict(list)
            for hour, value, number in zip(hours, values, numbers, strict=True):
                if value is not None:
                    members[hour, value].append(number)
            for (hour, value), of_value in members.items():
                cell = Cell(hour, dimension, keyed(recount, value), "")
                recount.users[cell] |= BitMap(of_value)


def add_unnumbered(connection: Connection, recount: Recount, among: ColumnElement[bool]) -> None:
    has_none = or_(users.c.number.is_(None), not_(can_be(users.c.number)))
    statement = (
        select(events.c.user_id)
        .prefix_with("/* worker.verify */")
        .join_from(events, users, ITS_USER, isouter=True)
        .where(among, events.c.user_id.is_not(None), has_none)
        .distinct()
    )
    recount.unnumbered.update(connection.scalars(statement))


def can_be(number: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a bitmap can hold it."""
    return number.between(0, MAX_NUMBER)


def keyed(recount: Recount, value: str) -> bytes:
    key = value_key(value)
    recount.texts[key] = value
    return key
