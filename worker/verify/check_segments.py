"""What segments hold, against the events they were made of: value by value, in plain Python."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from shared.counts.rollups import VALUE_COLUMNS
from shared.counts.segments import (
    COLUMNS,
    TIME,
    USER,
    Segment,
    decode_column,
    encode_column,
    in_force,
)
from shared.db.tables import events, segment_columns, segments
from worker.stored.key_order import Rows
from worker.verify.findings import NO_ROW, Findings, place
from worker.verify.portion import LABEL, Portion

# Whose columns are read together.
CHUNK_EVENTS = 200_000


class Held(NamedTuple):
    """A segment, and whose it is."""

    site_id: str
    segment: Segment


def segments_of(connection: Connection, portion: Portion) -> list[Held]:
    """In the order of their events. Each is of one day."""
    columns = [segments.c[name] for name in ("site_id", *Segment._fields)]
    at = portion.moments(segments.c.bucket, portion.start, portion.end)
    statement = select(*columns).prefix_with(LABEL).where(at)
    found = [Held(row[0], Segment(*row[1:])) for row in connection.execute(statement)]
    return sorted(found)


def those_in_force(held: Iterable[Held], hours: Mapping[tuple[str, int], int]) -> list[Held]:
    """Others are read by nobody. `hours` are the events of a site's hour."""
    of_site: dict[str, dict[int, int]] = defaultdict(dict)
    for (site_id, hour), number in hours.items():
        of_site[site_id][hour] = number
    return [one for one in held if in_force([one.segment], of_site[one.site_id])]


class SegmentCheck:
    """Is given the events of a portion in their order, and compares each segment as soon as it has
    all of its own."""

    def __init__(self, connection: Connection, held: Sequence[Held], findings: Findings) -> None:
        self.connection = connection
        self.findings = findings
        self.coming = list(reversed(held))
        # The columns, by name, of some that come next.
        self.fetched: dict[Held, dict[str, bytes]] = {}
        # The events of the next one.
        self.rows: list[Any] = []

    def add(self, page: Rows) -> None:
        for row in page:
            at = (row.site_id, row.timestamp)
            while self.coming and at >= end_of(self.coming[-1]):
                self.compare(self.coming.pop())
            if self.coming and at >= start_of(self.coming[-1]):
                self.rows.append(row)

    def end(self) -> None:
        """There are no more."""
        while self.coming:
            self.compare(self.coming.pop())

    def compare(self, held: Held) -> None:
        site_id, segment = held
        expected = values_of_events(self.rows, segment.bucket)
        self.rows = []
        found = self.columns_of(held)
        for name in COLUMNS:
            where = place(site_id, segment.bucket, column=name)
            if name in segment.without_values:
                found[name] = encode_column([None], array("I", [0] * segment.events))
            elif name not in found:
                self.findings.add(segment_columns.name, where, "a column", NO_ROW)
                continue
            try:
                values = list(values_in(found[name]))
            except ValueError as error:
                self.findings.add(segment_columns.name, where, "a column", f"bytes: {error}")
                continue
            if values != expected[name]:
                pairs = zip(expected[name], values, strict=False)
                wrong = sum(one != other for one, other in pairs)
                self.findings.add(
                    segment_columns.name,
                    where,
                    f"{len(expected[name])} events",
                    f"{len(values)}, {wrong} with another value",
                )

    def columns_of(self, held: Held) -> dict[str, bytes]:
        if held not in self.fetched:
            self.fetch([held, *reversed(self.coming)])
        return self.fetched.pop(held)

    def fetch(self, coming: Iterable[Held]) -> None:
        """The columns of the segments that come next, of CHUNK_EVENTS together, or of one."""
        some = list(next_of(coming))
        sites, buckets = zip(*((one.site_id, one.segment.bucket) for one in some), strict=True)
        of = segment_columns.c
        statement = (
            select(of.site_id, of.bucket, of.name, of.data)
            .prefix_with(LABEL)
            .where(of.site_id.in_(sorted(set(sites))), of.name.in_(COLUMNS))
            .where(of.bucket >= min(buckets), of.bucket <= max(buckets))
            .order_by(of.part)
        )
        found: dict[tuple[str, int], dict[str, bytes]] = defaultdict(lambda: defaultdict(bytes))
        for site_id, bucket, name, data in self.connection.execute(statement):
            found[site_id, bucket][name] += data
        self.fetched = {one: found[one.site_id, one.segment.bucket] for one in some}


def next_of(coming: Iterable[Held]) -> Iterator[Held]:
    room = CHUNK_EVENTS
    for held in coming:
        yield held
        room -= held.segment.events
        if room <= 0:
            return


def check_pruned(connection: Connection, held: Iterable[Held], findings: Findings) -> None:
    """Pruning takes a segment before its first event: none has any that is gone."""
    for site_id, segment in held:
        of_segment = (
            events.c.site_id == site_id,
            events.c.timestamp >= segment.bucket,
            events.c.timestamp < segment.until,
        )
        left = select(func.count()).select_from(events).where(*of_segment).prefix_with(LABEL)
        if (connection.scalar(left) or 0) < segment.events:
            findings.add(segments.name, place(site_id, segment.bucket), NO_ROW, "a row")


def values_in(data: bytes) -> Iterator[Any]:
    texts, numbers = decode_column(data)
    return (texts[n] for n in numbers.tolist()) if texts else iter(numbers.tolist())


def values_of_events(rows: Sequence[Any], start: int) -> dict[str, list[Any]]:
    """By the column of a segment, each event's value; rows as `pages_of_events` has them."""
    if not rows:
        return {name: [] for name in COLUMNS}
    _, moments, _, _, numbers, *values = (list(column) for column in zip(*rows, strict=True))
    return {
        TIME: [moment - start for moment in moments],
        USER: [0 if number is None else number + 1 for number in numbers],
        **dict(zip(VALUE_COLUMNS, values, strict=True)),
    }


def start_of(held: Held) -> tuple[str, int]:
    return held.site_id, held.segment.bucket


def end_of(held: Held) -> tuple[str, int]:
    return held.site_id, held.segment.until
