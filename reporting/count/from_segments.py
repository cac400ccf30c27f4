"""Answers counted from segments, and from `events` where there is no segment in force.

Exact for any query, at the cost of every event in its range: a few bytes and some 50 ns each.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
from pyroaring import BitMap
from sqlalchemy import Connection

from reporting.ask.query import Query
from reporting.count.cover import Span, bucket_at, joined
from reporting.count.matching import Matched, Question, Tally, buckets_of, match_columns
from reporting.count.pending_rows import fetch_rows
from reporting.count.rollup_statements import chunks
from reporting.count.segment_statements import select_columns, select_matching
from reporting.count.totals import Totals, ValueTotals, ranked
from shared.clock import DAY_MS, HOUR_MS
from shared.counts.pending import Pending
from shared.counts.pending_hours import Key, fetch_pending_hours
from shared.counts.segments import (
    TIME,
    Segment,
    decode_column,
    empty_column,
    in_force,
    select_counts,
    select_segments,
)
from shared.db.tables import events_by_hour

# Of segments at a time in memory, where none has more by itself.
CHUNK_EVENTS = 1_000_000
# In the time of a segment, and in that of an event that is fetched, the database counts so many.
ROWS_A_SEGMENT = 300
ROWS_A_FETCHED = 5

log = logging.getLogger(__name__)

LABEL = "/* reporting.segments */"


class Past(NamedTuple):
    """Where the events of a range are: in segments, and in spans that no segment has."""

    segments: list[Segment]
    gaps: list[Span]
    events_in_gaps: int

    @property
    def is_worth_it(self) -> bool:
        """Whether this is faster than to let the database count all of it."""
        counted = self.events_in_gaps + sum(segment.events for segment in self.segments)
        rows = ROWS_A_SEGMENT * len(self.segments) + ROWS_A_FETCHED * self.events_in_gaps
        return bool(self.segments) and rows <= counted


def fetch_past(connection: Connection, query: Query) -> Past:
    heads = select_segments(query.site_id, query.start, query.end).prefix_with(LABEL)
    found = [Segment(*row) for row in connection.execute(heads)]
    # Segments may reach beyond the range, by less than a day.
    around = (query.start - DAY_MS, query.end + DAY_MS)
    counted = select_counts(events_by_hour, query.site_id, *around).prefix_with(LABEL)
    hours = Counter({hour: int(number) for hour, number in connection.execute(counted)})
    read = partial(read_pending_rows, connection)
    hours.update(fetch_pending_hours(connection, query.site_id, *around, read, LABEL))
    segments = in_force(found, hours)
    held = {hour for segment in segments for hour in range(segment.bucket, segment.until, HOUR_MS)}
    rest = [hour for hour in hours if hour not in held and query.start - HOUR_MS < hour < query.end]
    gaps = joined((max(hour, query.start), min(hour + HOUR_MS, query.end)) for hour in rest)
    return Past(segments, gaps, sum(hours[hour] for hour in rest))


def read_pending_rows(connection: Connection, keys: Sequence[Key]) -> Iterator[Pending]:
    return (row for _, row in fetch_rows(connection, keys))


def fetch_totals(
    connection: Connection, query: Query, boundaries: Sequence[int], past: Past
) -> list[Totals]:
    """Each bucket's totals."""
    tally = tally_up(connection, Question(query, boundaries, with_users=True), past)
    return [
        Totals(tally.events[bucket], tally.views[bucket], len(tally.users[bucket]))
        for bucket in range(len(boundaries) - 1)
    ]


def fetch_values(
    connection: Connection, query: Query, dimension: str, past: Past, *, with_users: bool
) -> list[ValueTotals]:
    """The most viewed values of a dimension; equal ones by value. Without users, these are 0."""
    numbers: dict[str, int] = {}

    def number_of(value: str | None) -> int:
        return -1 if value is None else numbers.setdefault(value, len(numbers))

    question = Question(query, (query.start, query.end), False, dimension, number_of)
    views = tally_up(connection, question, past).views
    top = ranked(Counter({value: views[number] for value, number in numbers.items()}))[
        : query.limit
    ]
    users: dict[int, BitMap] = {}
    if with_users and top:
        # Counted once it is known of which values: there may be very many.
        asked = {value: numbers[value] for value, _ in top}
        question = question._replace(
            with_users=True, number_of=lambda value: -1 if value is None else asked.get(value, -1)
        )
        users = tally_up(connection, question, past).users
    return [ValueTotals(value, number, len(users.get(numbers[value], ()))) for value, number in top]


def tally_up(connection: Connection, question: Question, past: Past) -> Tally:
    """Count them all; what is no segment though it should be (`verify` says so) from `events`."""
    tally = Tally()
    unreadable: list[Span] = []
    for some in portions(past.segments):
        columns = fetch_columns(connection, question, some)
        for segment in some:
            try:
                matched = match_segment(question, segment, columns.pop(segment.bucket, {}))
            except (ValueError, KeyError) as error:
                log.error("segment %s of %s: %s", segment, question.query.site_id, error)
                unreadable.append(clipped(segment, question.query))
            else:
                tally.add(matched)
    for span in (*past.gaps, *unreadable):
        for matched in match_rows(connection, question, span):
            tally.add(matched)
    return tally


def clipped(segment: Segment, query: Query) -> Span:
    return max(segment.bucket, query.start), min(segment.until, query.end)


def portions(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Segments with CHUNK_EVENTS each time, or a single one."""
    some: list[Segment] = []
    for segment in segments:
        if some and sum(one.events for one in some) + segment.events > CHUNK_EVENTS:
            yield some
            some = []
        some.append(segment)
    if some:
        yield some


def fetch_columns(
    connection: Connection, question: Question, some: Sequence[Segment]
) -> dict[int, dict[str, bytes]]:
    """By bucket and name; TIME only of segments that are cut."""
    found: dict[int, dict[str, bytes]] = defaultdict(dict)
    buckets = [segment.bucket for segment in some]
    cut = [segment.bucket for segment in some if question.cuts(segment)]
    for names, of_buckets in ((question.columns, buckets), ({TIME}, cut)):
        for chunk in chunks(of_buckets):
            rows = connection.execute(select_columns(question.query.site_id, names, chunk))
            for (bucket, name), parts in groupby(rows, key=lambda row: (row.bucket, row.name)):
                found[bucket][name] = b"".join(part.data for part in parts)
    return found


def match_segment(question: Question, segment: Segment, data: Mapping[str, bytes]) -> Matched:
    """Raises ValueError or KeyError where the segment is not what it should be."""
    boundaries = question.boundaries
    columns = {
        name: empty_column(segment.events)
        if name in segment.without_values
        else decode_column(data[name])
        for name in (*question.columns, *({TIME} & data.keys()))
    }
    if any(len(column.numbers) != segment.events for column in columns.values()):
        raise ValueError("it has another number of events")
    if question.cuts(segment):
        moments = columns[TIME].numbers.astype(np.int64) + segment.bucket
        buckets = buckets_of(boundaries, moments)
    else:
        buckets = np.full(segment.events, bucket_at(boundaries, segment.bucket))
    return match_columns(question, columns, buckets)


def match_rows(connection: Connection, question: Question, span: Span) -> Iterator[Matched]:
    query = question.query
    statement = select_matching(query, question.dimension, span)
    for rows in connection.execute(statement).partitions():
        if question.dimension is None:
            groups = [bucket_at(question.boundaries, row.timestamp) for row in rows]
        else:
            groups = [question.number_of(row.value) for row in rows]
        users = [
            0
            if row.number is None or query.users_type not in (None, row.event_type)
            else row.number + 1
            for row in rows
        ]
        are_views = [query.views_type in (None, row.event_type) for row in rows]
        yield Matched(
            np.array(groups, np.int64), np.array(are_views, bool), np.array(users, np.int64)
        )
