"""What segments hold, against the events they were made of: value by value, in plain Python."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, func, select

from shared.clock import DAY_MS
from shared.counts.rollups import VALUE_COLUMNS
from shared.counts.segments import (
    COLUMNS,
    TIME,
    USER,
    Segment,
    decode_column,
    encode_column,
    in_force,
    select_counts,
    select_pending_hours,
    select_segments,
)
from shared.db.tables import events, events_by_hour, segment_columns, segments, users
from worker.stored.key_order import pages
from worker.verify.findings import NO_ROW, Findings, place

LABEL = "/* worker.verify */"


def check_segments(connection: Connection, site_id: str, day: int, findings: Findings) -> None:
    """Those of a day that are in force: others are read by nobody."""
    counts: Counter[int] = Counter()
    for statement in (
        select_counts(events_by_hour, site_id, day, day + DAY_MS),
        select_pending_hours(site_id, day, day + DAY_MS),
    ):
        for hour, number in connection.execute(statement.prefix_with(LABEL)):
            counts[hour] += int(number)
    for head in in_force(segments_of_day(connection, site_id, day), counts):
        expected = values_of_events(connection, site_id, head.bucket, head.until)
        of_segment = select(segment_columns.c.name, segment_columns.c.data).where(
            segment_columns.c.site_id == site_id,
            segment_columns.c.name.in_(COLUMNS),
            segment_columns.c.bucket == head.bucket,
        )
        found: dict[str, bytes] = defaultdict(bytes)
        for row in connection.execute(of_segment.order_by(segment_columns.c.part)):
            found[row.name] += row.data
        for name in COLUMNS:
            where = place(site_id, head.bucket, column=name)
            if name in head.without_values:
                found[name] = encode_column([None], array("I", [0] * head.events))
            elif name not in found:
                findings.add(segment_columns.name, where, "a column", NO_ROW)
                continue
            try:
                values = list(values_in(found[name]))
            except ValueError as error:
                findings.add(segment_columns.name, where, "a column", f"bytes: {error}")
                continue
            pairs = zip(expected[name], values, strict=False)
            wrong = sum(one != other for one, other in pairs)
            if wrong or len(values) != len(expected[name]):
                findings.add(
                    segment_columns.name,
                    where,
                    f"{len(expected[name])} events",
                    f"{len(values)}, {wrong} with another value",
                )


def check_pruned(connection: Connection, site_id: str, day: int, findings: Findings) -> None:
    """Pruning takes a segment before its first event: none has any that is gone."""
    for head in segments_of_day(connection, site_id, day):
        of_segment = (
            events.c.site_id == site_id,
            events.c.timestamp >= head.bucket,
            events.c.timestamp < head.until,
        )
        left = select(func.count()).select_from(events).where(*of_segment).prefix_with(LABEL)
        if (connection.scalar(left) or 0) < head.events:
            findings.add(segments.name, place(site_id, head.bucket), NO_ROW, "a row")


def segments_of_day(connection: Connection, site_id: str, day: int) -> list[Segment]:
    statement = select_segments(site_id, day, day + DAY_MS).prefix_with(LABEL)
    return [Segment(*row) for row in connection.execute(statement)]


def values_in(data: bytes) -> Iterator[Any]:
    texts, numbers = decode_column(data)
    return (texts[n] for n in numbers.tolist()) if texts else iter(numbers.tolist())


def values_of_events(
    connection: Connection, site_id: str, start: int, end: int
) -> dict[str, list[Any]]:
    """By the column of a segment, each event's value, in the order of events."""
    key = (events.c.timestamp, events.c.event_id)
    its_user = and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id)
    statement = (
        select(*key, users.c.number, *VALUE_COLUMNS.values())
        .join_from(events, users, its_user, isouter=True)
        .where(events.c.site_id == site_id, events.c.timestamp < end)
        .prefix_with(LABEL)
    )
    found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for page in pages(connection, statement, key, start=start):
        for moment, _, number, *values in page:
            found[TIME].append(moment - start)
            found[USER].append(0 if number is None else number + 1)
            for name, value in zip(VALUE_COLUMNS, values, strict=True):
                found[name].append(value)
    return found
