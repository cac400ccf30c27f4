"""What batches have stored and no rollup knows yet, counted for answers that add it to the rollups.

What is counted for a question is kept: where it is asked again, only the rows that came since are
counted, for all others are as they were. Where one of them was merged, the rest is counted anew.
A row may have several hours, of which an answer counts some: each of them is a part by itself.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Connection, Engine

from reporting.count.cover import Span, bucket_at
from reporting.count.held import Held
from reporting.count.matching import (
    Integers,
    Matched,
    Question,
    Tally,
    buckets_of,
    match_columns,
)
from reporting.count.pending_rows import Part, fetch_parts, fetch_rows
from reporting.count.sparse import SparseDays
from shared.clock import HOUR_MS
from shared.counts.pending import Pending
from shared.counts.pending_hours import Key
from shared.counts.rollups import value_key

# Of one site's 300,000 events, 200 kB for a question.
MOST_BYTES = 32 << 20
# What it takes to keep the name of a part, a value with its numbers, and a user in a bitmap.
KEY_BYTES, VALUE_BYTES, USER_BYTES = 200, 400, 2
# Of one addition; what they take meanwhile is some 50 bytes each.
CHUNK_EVENTS = 1_000_000


@dataclass(frozen=True)
class Counted:
    """The tally of some parts; of a question about a dimension, the number of each value's group.
    Nobody changes it."""

    parts: frozenset[Part]
    tally: Tally
    groups: dict[str, int]

    @property
    def size_bytes(self) -> int:
        users = sum(len(users) for users in self.tally.users.values())
        groups = len(self.tally.events) + len(self.groups)
        return KEY_BYTES * len(self.parts) + VALUE_BYTES * groups + USER_BYTES * users

    @cached_property
    def texts(self) -> dict[bytes, str]:
        """The values, by their keys."""
        return {value_key(value): value for value in self.groups}

    @cached_property
    def views(self) -> dict[bytes, int]:
        """By the value's key."""
        views = self.tally.views
        return {value_key(value): views[group] for value, group in self.groups.items()}


kept: WeakKeyDictionary[Engine, Held[tuple[object, ...], Counted]] = WeakKeyDictionary()


class Unmerged:
    """What is not merged of a site's hours that begin in a span, for all questions of an answer."""

    def __init__(self, connection: Connection, site_id: str, span: Span) -> None:
        self.connection = connection
        self.site_id = site_id
        self.span = span

    @cached_property
    def sparse(self) -> SparseDays:
        """The sparse days, which need the same care."""
        return SparseDays(self.connection, self.site_id, self.span)

    @cached_property
    def parts(self) -> frozenset[Part]:
        return frozenset(fetch_parts(self.connection, self.site_id, self.span))

    @cached_property
    def hours(self) -> frozenset[int]:
        return frozenset(part.hour for part in self.parts)

    def parts_in(self, spans: Sequence[Span]) -> frozenset[Part]:
        """Of spans in order."""
        starts = [start for start, _ in spans]
        hours = {
            hour
            for hour in self.hours
            if (place := bisect_right(starts, hour)) and hour < spans[place - 1][1]
        }
        if len(hours) == len(self.hours):
            return self.parts
        return frozenset(part for part in self.parts if part.hour in hours)

    def count(
        self, question: Question, spans: Sequence[Span], values: Sequence[str] | None = None
    ) -> Counted:
        """Whole hours in `spans`, none of which a boundary cuts. A question about a dimension is
        one about `values`, or else all there are: `number_of` is not asked."""
        parts = self.parts_in(spans)
        nothing = Counted(frozenset(), Tally(), {v: n for n, v in enumerate(values or ())})
        if not parts:
            return nothing
        memory = kept.setdefault(self.connection.engine, Held(MOST_BYTES))
        asked = (*identity(question), values and tuple(values))
        known = memory.find(asked)
        if known is None or not known.parts <= parts:
            known = nothing
        if len(known.parts) < len(parts):
            rows = self.fetch(parts - known.parts)
            known = counted_with(known, question, rows, parts, is_of_all=values is None)
            memory.keep(asked, known, known.size_bytes)
        return known

    def fetch(self, parts: Iterable[Part]) -> Iterator[tuple[Pending, set[int]]]:
        """The rows of these parts, each with the hours that are asked for."""
        hours: dict[Key, set[int]] = defaultdict(set)
        for part in parts:
            hours[part.key].add(part.hour)
        for key, row in fetch_rows(self.connection, sorted(hours)):
            yield row, hours[key]


def identity(question: Question) -> tuple[object, ...]:
    """The same of two questions that have the same answer."""
    query = question.query
    return (
        query.site_id,
        query.filters,
        query.views_type,
        query.users_type,
        tuple(question.boundaries),
        question.dimension,
        question.with_users,
    )


def counted_with(
    known: Counted,
    question: Question,
    rows: Iterable[tuple[Pending, set[int]]],
    parts: frozenset[Part],
    *,
    is_of_all: bool,
) -> Counted:
    """What is known, and these hours of rows besides; together they are `parts`."""
    tally, groups = known.tally.copy(), dict(known.groups)

    def number_of(value: str | None) -> int:
        if value is None:
            return -1
        return groups.setdefault(value, len(groups)) if is_of_all else groups.get(value, -1)

    question = question._replace(number_of=number_of)
    for some in together(match_row(question, row, hours) for row, hours in rows):
        tally.add(some)
    return Counted(parts, tally, groups)


def match_row(question: Question, row: Pending, hours: Collection[int]) -> Matched:
    columns = {name: row.column(name) for name in question.columns}
    return match_columns(question, columns, buckets_in(question.boundaries, row, hours))


def buckets_in(boundaries: Sequence[int], row: Pending, hours: Collection[int]) -> Integers:
    """Of each event the number of its bucket; -1 if it is not of these hours, which no boundary
    cuts."""
    moments = row.moments()
    if hours == {row.bucket} and moments.max() < row.bucket + HOUR_MS:  # as of most
        return np.full(row.events, bucket_at(boundaries, row.bucket))
    is_asked = np.isin(moments - moments % HOUR_MS, list(hours))
    return np.where(is_asked, buckets_of(boundaries, moments), -1)


def together(matched: Iterable[Matched]) -> Iterator[Matched]:
    """CHUNK_EVENTS at a time, or a few more: many rows of few events take less time so."""
    some: list[Matched] = []
    events = 0
    for one in matched:
        some.append(one)
        events += len(one.groups)
        if events >= CHUNK_EVENTS:
            yield Matched(*map(np.concatenate, zip(*some, strict=True)))
            some, events = [], 0
    if some:
        yield Matched(*map(np.concatenate, zip(*some, strict=True)))
