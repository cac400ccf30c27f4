"""Making segments of the events that sites have behind them; see shared/counts/segments.py.

The events are read without a lock. The transaction that writes a segment locks its site, so that
nobody merges there, and then there must be as many events as were read, by the rollups and by what
is still to be merged: where a batch stored some more of these hours in between, there are more, and
the segment is made another time. Where one comes after that look, the segment is not in force.
"""

import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, and_, func, select

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.counts.rollups import TOTAL, VALUE_COLUMNS
from shared.counts.segments import (
    COLUMNS,
    TEXTS,
    TIME,
    USER,
    Rows,
    Segment,
    encode_column,
    parts_of,
    select_segments,
)
from shared.counts.sparse import Kept
from shared.db.database import translated_errors
from shared.db.dialects import dialect_of
from shared.db.driver_rows import insert_tuples
from shared.db.tables import (
    events,
    events_by_day,
    events_by_week,
    pending_counts,
    segment_columns,
    segments,
    sites,
    sparse_days,
    users,
)
from worker.stopping import StopFlag
from worker.stored.extent import fetch_pruned_before
from worker.stored.hours import fetch_counts, fetch_hours, fetch_unmerged
from worker.stored.key_order import pages
from worker.stored.segment_rows import LABEL, delete_rows, delete_segments
from worker.stored.site_locks import take_locks
from worker.stored.site_rows import MAX_NUMBER, is_behind
from worker.stored.sparse_days import fetch_days_of_totals
from worker.upkeep.own_fault import Faults, own_fault

# A segment ends with the hour in which it comes to have so many; a day with fewer is one segment.
FULL_EVENTS = 100_000
# An hour with more is left to `events`: its columns would not go into memory.
MOST_EVENTS = 5_000_000
# For so long after an hour, events of it may be under way.
GRACE_MS = 2 * MINUTE_MS
# A run ends after this, so that other work gets its turn; another goes on.
BUDGET_SECONDS = 5.0
# Where very many events come to a site, a segment is made anew once it has so many times as many:
# while more comes into its hours it is out of date at once.
GROWN = 2
EVENT_KEY = (events.c.timestamp, events.c.event_id)
CHUNK_SITES = 500

WORK = "making segments"

# Which segments could not be made, and up to which hour they were to be.
Failed = dict[tuple[str, Segment], int]

# How many events a segment had, by its site and first hour, when it was tried lately.
Tried = dict[tuple[str, int], int]


class Builder:
    """The columns of a segment, as its events come in the order of their key."""

    def __init__(self, bucket: int) -> None:
        self.bucket = bucket
        self.texts: dict[str, dict[str | None, int]] = {name: {} for name in TEXTS}
        self.numbers = {name: array("Q" if name == USER else "I") for name in COLUMNS}
        self.is_complete = True

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Rows as `select_events` has them, at least one."""
        moments, _, user_ids, numbers, *texts = zip(*rows, strict=True)
        if not all(map(is_numbered, user_ids, numbers)):  # `verify` says which is not
            self.is_complete = False
            return
        self.numbers[TIME].extend(moment - self.bucket for moment in moments)
        self.numbers[USER].extend(0 if number is None else number + 1 for number in numbers)
        for name, values in zip(TEXTS, texts, strict=True):
            known = self.texts[name]
            self.numbers[name].extend([known.setdefault(v, len(known)) for v in values])

    def __len__(self) -> int:
        return len(self.numbers[TIME])

    def encoded(self) -> Iterator[tuple[str, bytes]]:
        for name, numbers in self.numbers.items():
            yield name, encode_column(self.texts.get(name, ()), numbers)


def is_numbered(user_id: str | None, number: int | None) -> bool:
    """Whether a row has its user's number, or none as it has no user."""
    return user_id is None if number is None else 0 <= number <= MAX_NUMBER


def build_segments(
    reader: Engine,
    writer: Engine,
    now: int,
    stopping: StopFlag,
    failed: Failed | None = None,
    faults: Faults | None = None,
    site_ids: Sequence[str] | None = None,
    tried: Tried | None = None,
) -> bool:
    """Make the segments that are missing up to the last full hour, newest first, of all sites or of
    these. `now` is in ms.

    Those that could not be made join `failed`, and are tried again once another hour is over; those
    that were `tried` already, once they have GROWN. `faults` are told of what went wrong. False
    where time was up or a stop is requested before all were tried. Raises Unavailable.
    """
    end = (now - GRACE_MS) // HOUR_MS * HOUR_MS
    failed = {} if failed is None else failed
    faults = faults or Faults(WORK)
    run = Run(reader, writer, end, stopping, failed, {} if tried is None else tried)
    for site_id in fetch_sites(reader) if site_ids is None else site_ids:
        note = partial(faults.note, site_id)
        with own_fault(writer, note):
            build_site(run, site_id, note)
        if run.is_over():
            return False
    for known in [known for known, when in failed.items() if when != end]:
        del failed[known]
    if site_ids is None:
        faults.end(still={site_id for site_id, _ in failed})
    return True


@dataclass
class Run:
    """What segments are made with, up to `end`, until time is up."""

    reader: Engine
    writer: Engine
    end: int
    stopping: StopFlag
    failed: Failed
    tried: Tried
    # None until the first is made: looking for what is missing, which in a thousand sites takes a
    # while, is no reason to stop there.
    deadline: float | None = None
    is_late: bool = False

    def is_over(self) -> bool:
        return self.is_late or self.stopping.is_set()


def build_site(run: Run, site_id: str, note: Callable[[Exception], None]) -> None:
    """Make the segments that one site misses. One that cannot be made is passed over next time,
    unless that is nobody's own fault."""
    for day in fetch_days(run.reader, site_id, run.end):
        for segment in fetch_missing(run.reader, site_id, day, min(day + DAY_MS, run.end)):
            if run.failed.get((site_id, segment)) == run.end:
                continue
            if segment.events < GROWN * run.tried.get((site_id, segment.bucket), 0):
                continue
            run.deadline = run.deadline or time.monotonic() + BUDGET_SECONDS
            run.is_late = time.monotonic() > run.deadline
            if run.is_over():
                return
            run.tried[site_id, segment.bucket] = segment.events
            is_built = False
            with own_fault(run.writer, note):
                is_built = build(run.reader, run.writer, site_id, segment, run.stopping)
            if is_built:
                run.failed.pop((site_id, segment), None)
            else:
                run.failed[site_id, segment] = run.end


def fetch_sites(reader: Engine) -> list[str]:
    """The sites that have events in no segment: of most, nothing came since all were in one."""
    with translated_errors(), reader.begin() as connection:
        pending = connection.scalars(select(pending_counts.c.site_id).distinct()).all()
        counted = connection.scalars(select(sites.c.site_id)).all()
        known = sorted({*counted, *pending})
        has: Counter[str] = Counter()
        of_segments: Counter[str] = Counter()
        for first in range(0, len(known), CHUNK_SITES):
            some = known[first : first + CHUNK_SITES]
            of_weeks = sums_by_site(events_by_week, some).where(events_by_week.c.dimension == TOTAL)
            for statement in (of_weeks, sums_by_site(pending_counts, some)):
                has.update({row[0]: int(row[1]) for row in connection.execute(statement)})
            is_complete = segments.c.known_columns >= len(COLUMNS)
            of_totals = sparse_days.c.kept == Kept.TOTALS
            for statement in (
                sums_by_site(segments, some).where(is_complete),
                sums_by_site(sparse_days, some).where(of_totals),
            ):
                made = connection.execute(statement)
                of_segments.update({site_id: int(number) for site_id, number in made})
    return [site_id for site_id in known if has[site_id] != of_segments[site_id]]


def sums_by_site(table: Table, site_ids: Sequence[str]) -> Rows:
    return (
        select(table.c.site_id, func.sum(table.c.events))
        .where(table.c.site_id.in_(site_ids))
        .group_by(table.c.site_id)
        .prefix_with(LABEL)
    )


def fetch_days(reader: Engine, site_id: str, end: int) -> list[int]:
    """The days of which segments have not as many events as there are before `end`, newest first.

    None of a site whose events are not all counted yet, and none whose events may be pruned; nor
    days of which there are totals alone: their events are soon read.
    """
    last_day = end - end % DAY_MS
    with translated_errors(), reader.begin() as connection:
        if is_behind(connection, site_id):
            return []
        counted = fetch_counts(connection, events_by_day, site_id, 0, last_day)
        for hour, number in fetch_unmerged(connection, site_id, 0, last_day).items():
            counted[hour - hour % DAY_MS] += number
        today = fetch_hours(connection, site_id, last_day, end)
        has: Counter[int] = Counter()
        for segment in fetch_segments(connection, site_id, 0, end):
            if segment.is_complete:
                has[segment.bucket - segment.bucket % DAY_MS] += segment.events
        pruned_before = fetch_pruned_before(connection, site_id) or 0
        sparse = fetch_days_of_totals(connection, site_id)
    if today:
        counted[last_day] = sum(today.values())
    missing = [day for day, number in counted.items() if has[day] != number and day not in sparse]
    return sorted((day for day in missing if day >= pruned_before), reverse=True)


def fetch_missing(reader: Engine, site_id: str, day: int, end: int) -> list[Segment]:
    """The segments of the hours from `day` up to `end` that are not there as they should be."""
    with translated_errors(), reader.begin() as connection:
        hours = fetch_hours(connection, site_id, day, end)
        held = {
            (segment.bucket, segment.until, segment.events)
            for segment in fetch_segments(connection, site_id, day, end)
            if segment.is_complete
        }
    return [
        segment
        for segment in segments_of(hours)
        if (segment.bucket, segment.until, segment.events) not in held
        and segment.events <= MOST_EVENTS
    ]


def fetch_segments(connection: Connection, site_id: str, start: int, end: int) -> list[Segment]:
    rows = connection.execute(select_segments(site_id, start, end).prefix_with(LABEL))
    return [Segment(*row) for row in rows]


def segments_of(hours: Mapping[int, int]) -> Iterator[Segment]:
    """How the events of a day, by the hour, are put together."""
    start, number = None, 0
    until = 0
    for hour in sorted(hours):
        start = hour if start is None else start
        number, until = number + hours[hour], hour + HOUR_MS
        if number >= FULL_EVENTS:
            yield Segment(start, until, number)
            start, number = None, 0
    if start is not None:
        yield Segment(start, until, number)


def build(
    reader: Engine, writer: Engine, site_id: str, segment: Segment, stopping: StopFlag
) -> bool:
    """Make a segment, in place of those that have any of its hours.

    False where it could not be made: its events are not those that are counted, one of its users
    has no number, or a stop was requested.
    """
    built = Builder(segment.bucket)
    with translated_errors(), reader.begin() as connection:
        rebuilds = connection.scalar(select_rebuilds(site_id))
        for page in pages(connection, select_events(site_id, segment), EVENT_KEY, segment.bucket):
            built.add(page)
            if not built.is_complete or stopping.is_set():
                return False
    if len(built) != segment.events:
        return False
    with translated_errors(), writer.begin() as connection:
        # Not the row in `sites`: for that one batches would wait that have new users.
        take_locks(connection, [site_id])
        if connection.scalar(select_rebuilds(site_id)) != rebuilds:
            return False
        hours = fetch_hours(connection, site_id, segment.bucket, segment.until)
        pruned_before = fetch_pruned_before(connection, site_id) or 0
        if hours.total() != segment.events or segment.bucket < pruned_before:
            return False
        delete_segments(connection, site_id, segment.bucket, segment.until)
        delete_rows(connection, site_id, [segment.bucket])  # columns without a head, if any
        row = (site_id, *segment)
        insert_tuples(connection, segments.insert().prefix_with(LABEL), [row])
        insert_tuples(
            connection,
            segment_columns.insert().prefix_with(LABEL),
            [
                (site_id, name, segment.bucket, *part)
                for name, data in built.encoded()
                for part in parts_of(data, dialect_of(connection).max_value_bytes)
            ],
        )
    return True


def select_rebuilds(site_id: str) -> Select[tuple[int]]:
    return select(sites.c.rebuilds).where(sites.c.site_id == site_id).prefix_with(LABEL)


def select_events(site_id: str, segment: Segment) -> Any:
    """timestamp, event_id, user_id, the user's number, and the columns TEXTS."""
    its_user = and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id)
    return (
        select(
            *EVENT_KEY,
            events.c.user_id,
            users.c.number,
            *VALUE_COLUMNS.values(),
        )
        .join_from(events, users, its_user, isouter=True)
        .where(events.c.site_id == site_id, events.c.timestamp < segment.until)
        .prefix_with(LABEL)
    )
