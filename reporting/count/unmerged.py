"""What batches have stored and no rollup knows yet, counted for answers that add it to the rollups.

What is counted for a question is kept: where it is asked again, only the rows that came since are
counted, for all others are as they were. Where one of them was merged, the rest is counted anew.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Connection, Engine

from reporting.count.cover import Span, bucket_at
from reporting.count.held import Held
from reporting.count.matching import Matched, Question, Tally, match_columns
from reporting.count.pending_rows import Key, fetch_keys, fetch_rows
from reporting.count.sparse import SparseDays
from shared.counts.pending import Pending
from shared.counts.rollups import value_key

# Of one site's 300,000 events, 200 kB for a question.
MOST_BYTES = 32 << 20
# What it takes to keep the name of a row, a value with its numbers, and a user in a bitmap.
KEY_BYTES, VALUE_BYTES, USER_BYTES = 200, 400, 2
# Of one addition; what they take meanwhile is some 50 bytes each.
CHUNK_EVENTS = 1_000_000


@dataclass(frozen=True)
class Counted:
    """The tally of some rows; of a question about a dimension, the number of each value's group.
    Nobody changes it."""

    keys: frozenset[Key]
    tally: Tally
    groups: dict[str, int]

    @property
    def size_bytes(self) -> int:
        users = sum(len(users) for users in self.tally.users.values())
        groups = len(self.tally.events) + len(self.groups)
        return KEY_BYTES * len(self.keys) + VALUE_BYTES * groups + USER_BYTES * users

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
    def keys(self) -> frozenset[Key]:
        return frozenset(fetch_keys(self.connection, self.site_id, self.span))

    @cached_property
    def hours(self) -> frozenset[int]:
        return frozenset(hour for _, hour, _ in self.keys)

    def keys_in(self, spans: Sequence[Span]) -> frozenset[Key]:
        """Of spans in order."""
        starts = [start for start, _ in spans]
        hours = {
            hour
            for hour in self.hours
            if (place := bisect_right(starts, hour)) and hour < spans[place - 1][1]
        }
        if len(hours) == len(self.hours):
            return self.keys
        return frozenset(key for key in self.keys if key[1] in hours)

    def count(
        self, question: Question, spans: Sequence[Span], values: Sequence[str] | None = None
    ) -> Counted:
        """Whole hours in `spans`, none of which a boundary cuts. A question about a dimension is
        one about `values`, or else all there are: `number_of` is not asked."""
        keys = self.keys_in(spans)
        nothing = Counted(frozenset(), Tally(), {v: n for n, v in enumerate(values or ())})
        if not keys:
            return nothing
        memory = kept.setdefault(self.connection.engine, Held(MOST_BYTES))
        asked = (*identity(question), values and tuple(values))
        known = memory.find(asked)
        if known is None or not known.keys <= keys:
            known = nothing
        if len(known.keys) < len(keys):
            rows = fetch_rows(self.connection, sorted(keys - known.keys))
            known = counted_with(known, question, rows, keys, is_of_all=values is None)
            memory.keep(asked, known, known.size_bytes)
        return known


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
    rows: Iterable[Pending],
    keys: frozenset[Key],
    *,
    is_of_all: bool,
) -> Counted:
    """What is known, and these rows besides; together they are those of `keys`."""
    tally, groups = known.tally.copy(), dict(known.groups)

    def number_of(value: str | None) -> int:
        if value is None:
            return -1
        return groups.setdefault(value, len(groups)) if is_of_all else groups.get(value, -1)

    question = question._replace(number_of=number_of)
    for some in together(match_row(question, row) for row in rows):
        tally.add(some)
    return Counted(keys, tally, groups)


def match_row(question: Question, row: Pending) -> Matched:
    columns = {name: row.column(name) for name in question.columns}
    bucket = bucket_at(question.boundaries, row.bucket)
    return match_columns(question, columns, np.full(row.events, bucket))


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
