"""Answers counted from `events`: exact for any query, at the cost of every event in its range."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from sqlalchemy import Connection

from reporting.ask.periods import FIXED_MS
from reporting.ask.query import Query
from reporting.count.cover import bucket_at
from reporting.count.each_span import fetch_each
from reporting.count.statements import select_steps, select_totals, select_values
from reporting.count.totals import Totals, ValueTotals


def fetch_totals(connection: Connection, query: Query, boundaries: Sequence[int]) -> list[Totals]:
    """Each bucket's totals."""
    if query.interval in FIXED_MS:
        return fetch_steps(connection, query, FIXED_MS[query.interval], len(boundaries) - 1)
    spans = list(pairwise(boundaries))
    totals = [Totals()] * len(spans)
    for start, *counted in fetch_each(
        connection, partial(select_totals, query), query.site_id, spans
    ):
        totals[bucket_at(boundaries, start)] = Totals(*counted)
    return totals


def fetch_steps(connection: Connection, query: Query, step_ms: int, steps: int) -> list[Totals]:
    """Buckets that all take as long, in one statement."""
    totals = [Totals()] * steps
    for row in connection.execute(select_steps(query, step_ms)):
        totals[int(row.step)] = Totals(row.events, row.views, row.unique_users)
    return totals


def fetch_values(
    connection: Connection, query: Query, dimension: str, *, with_users: bool
) -> list[ValueTotals]:
    """The most viewed values of a dimension; equal ones by value. Without users, these are 0."""
    span = (query.start, query.end)
    rows = connection.execute(select_values(query, dimension, span, with_users=with_users))
    return [ValueTotals(*row) for row in rows]
