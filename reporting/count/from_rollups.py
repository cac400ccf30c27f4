"""Answers added up from the rollups and what is not merged into them: whole weeks, days, hours;
ragged edges from `events`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row

from reporting.ask.query import Query
from reporting.count.cover import FEW_BUCKETS, Cover, bridged, bucket_at, cover_of, is_within
from reporting.count.each_span import fetch_each, with_events
from reporting.count.matching import Question
from reporting.count.prepared import fetch
from reporting.count.rollup_statements import (
    chunks,
    select_buckets,
    select_texts,
    select_value_buckets,
)
from reporting.count.statements import select_edge_totals, select_edge_values
from reporting.count.ties import fetch_few, fetch_most, parts_of
from reporting.count.totals import Totals, ValueTotals, ranked
from reporting.count.unmerged import Counted, Unmerged
from reporting.count.user_counts import Part, fetch_unique_users
from shared.counts.rollups import LEVELS, TOTAL, value_key
from shared.counts.sparse import Kept
from shared.fields import EVENT_TYPE


def fetch_totals(
    connection: Connection,
    query: Query,
    boundaries: Sequence[int],
    unmerged: Unmerged | None = None,
) -> list[Totals]:
    """Each bucket's totals, of a query with at most one filter; `unmerged` is of all its time."""
    unmerged = unmerged or unmerged_of(connection, query)
    filtered_by = query.filters[0][0] if query.filters else TOTAL
    cover = cover_of_counts(unmerged, boundaries, filtered_by)
    events, views = [0] * len(boundaries), [0] * len(boundaries)
    for row in fetch_buckets(connection, query, cover):
        bucket = bucket_at(boundaries, row.bucket)
        events[bucket] += row.events
        if query.views_type in (None, row.event_type):
            views[bucket] += row.events
    edges = partial(select_edge_totals, query)
    for start, *counted in fetch_each(connection, edges, query.site_id, cover.in_events):
        bucket = bucket_at(boundaries, start)
        events[bucket] += counted[0]
        views[bucket] += counted[1]
    more = unmerged.count(Question(query, boundaries, with_users=True), cover.in_rollups).tally
    for bucket, number in more.events.items():
        events[bucket] += number
        views[bucket] += more.views[bucket]
    dimension, value = whose_users(query)
    key = value_key(value)
    parts = [(boundaries[bucket], key, users) for bucket, users in more.users.items()]
    cover = cover_of_users(unmerged, boundaries, dimension)
    users = fetch_unique_users(connection, query, dimension, [value], boundaries, cover, parts)
    return [
        Totals(events[bucket], views[bucket], users[key, bucket])
        for bucket in range(len(boundaries) - 1)
    ]


def cover_of_counts(unmerged: Unmerged, boundaries: Sequence[int], dimension: str) -> Cover:
    """Where the events of a dimension's values are counted."""
    return unmerged.sparse.beside(cover_of(boundaries), boundaries, dimension, Kept.has_events)


def cover_of_users(unmerged: Unmerged, boundaries: Sequence[int], dimension: str) -> Cover:
    """Where their users are."""
    return unmerged.sparse.beside(cover_of(boundaries), boundaries, dimension, Kept.has_users)


def whose_users(query: Query) -> tuple[str, str]:
    """The dimension and value whose users are the query's."""
    if query.users_type is not None:
        return EVENT_TYPE, query.users_type
    return query.filters[0] if query.filters else (TOTAL, "")


def fetch_buckets(
    connection: Connection, query: Query, cover: Cover
) -> Iterator[Row[*tuple[Any, ...]]]:
    """Rows with bucket, event_type and events: of the filter's value, or of everything."""
    for level, spans in zip(LEVELS, cover.levels, strict=True):
        if query.filters:
            ((dimension, value),) = query.filters
            key = value_key(value)
            step = level.bucket_ms
            whole = [(at, at + step) for span in spans for at in range(*span, step)]
            wanted = with_events(connection, query.site_id, whole)
            for buckets in chunks([at for at, _ in wanted]):
                of_value = (level.events, query.site_id, dimension, key, buckets)
                yield from fetch(connection, select_value_buckets, *of_value)
        else:
            for some in chunks(bridged(spans, FEW_BUCKETS * level.bucket_ms)):
                of_all = (level.events, query.site_id, TOTAL, some)
                for row in fetch(connection, select_buckets, *of_all):
                    if is_within(spans, row.bucket):
                        yield row


def unmerged_of(connection: Connection, query: Query) -> Unmerged:
    return Unmerged(connection, query.site_id, (query.start, query.end))


def fetch_values(
    connection: Connection,
    query: Query,
    dimension: str,
    unmerged: Unmerged | None = None,
    *,
    with_users: bool,
) -> list[ValueTotals]:
    """The most viewed values of a dimension; equal ones by value. Without users, these are 0."""
    boundaries = (query.start, query.end)
    unmerged = unmerged or unmerged_of(connection, query)
    if query.filters:  # by this very dimension, so it has one value
        (totals,) = fetch_totals(connection, query, boundaries, unmerged)
        views = Counter({query.filters[0][1]: totals.views})
    else:
        question = Question(query, boundaries, with_users=False, dimension=dimension)
        # Every row tells the type.
        counted_by = TOTAL if dimension == EVENT_TYPE else dimension
        cover = cover_of_counts(unmerged, boundaries, counted_by)
        more = unmerged.count(question, cover.in_rollups)
        if dimension == EVENT_TYPE:
            views = fetch_type_views(connection, query, cover, more)
        else:
            views = fetch_value_views(connection, query, dimension, cover, more)
    top = ranked(views)[: query.limit]
    users: Counter[tuple[bytes, int]] = Counter()
    if with_users and top:
        values = [value for value, _ in top]
        cover = cover_of_users(unmerged, boundaries, dimension)
        parts = unmerged_users(unmerged, query, dimension, values, cover)
        users = fetch_unique_users(connection, query, dimension, values, boundaries, cover, parts)
    return [ValueTotals(value, number, users[value_key(value), 0]) for value, number in top]


def unmerged_users(
    unmerged: Unmerged,
    query: Query,
    dimension: str,
    values: Sequence[str],
    cover: Cover,
) -> list[Part]:
    """Of values of a dimension, in the only bucket there is."""
    boundaries = (query.start, query.end)
    question = Question(query, boundaries, with_users=True, dimension=dimension)
    found = unmerged.count(question, cover.in_rollups, values)
    return [
        (query.start, value_key(value), found.tally.users[group])
        for value, group in found.groups.items()
        if group in found.tally.users
    ]


def fetch_type_views(
    connection: Connection, query: Query, cover: Cover, unmerged: Counted
) -> Counter[str]:
    views = Counter({unmerged.texts[key]: number for key, number in unmerged.views.items()})
    for row in fetch_buckets(connection, query, cover):
        views[row.event_type] += row.events
    for value, number in edge_values(connection, query, EVENT_TYPE, cover):
        views[value] += number
    if query.views_type is None:
        return views
    return Counter({query.views_type: views[query.views_type]})


def fetch_value_views(
    connection: Connection,
    query: Query,
    dimension: str,
    cover: Cover,
    unmerged: Counted,
) -> Counter[str]:
    """Views of the most viewed values; of those that equal the last of them, the first by value.

    Of a site without popular pages all are equal, and there is no room for the texts of all.
    """
    views: Counter[bytes] = Counter()
    texts: dict[bytes, str] = {}
    for value, number in edge_values(connection, query, dimension, cover):
        texts[value_key(value)] = value
        views[value_key(value)] += number
    views.update(unmerged.views)
    texts |= unmerged.texts
    parts = parts_of(query, dimension, cover)
    rolled_up = fetch_few(connection, parts)
    if rolled_up is None:
        return fetch_most(connection, parts, query.limit, views, texts)
    views.update(rolled_up)
    top = most(views, query.limit)
    found = Counter({texts[key]: number for key, number in top.items() if key in texts})
    for some_keys in chunks([key for key in top if key not in texts]):
        for row in fetch(connection, select_texts, some_keys):
            found[row.value] = top[row.value_key]
        found = Counter(dict(ranked(found)[: query.limit]))
    return found


def edge_values(
    connection: Connection, query: Query, dimension: str, cover: Cover
) -> Iterator[tuple[str, int]]:
    """Values and their views, span by span."""
    of_span = partial(select_edge_values, query, dimension)
    for _, value, number in fetch_each(connection, of_span, query.site_id, cover.in_events):
        yield value, int(number)


def most(views: Counter[bytes], limit: int) -> dict[bytes, int]:
    """The `limit` most viewed, and all that equal the last of them: the text will decide."""
    if len(views) <= limit:
        return views
    least = sorted(views.values(), reverse=True)[limit - 1]
    return {key: number for key, number in views.items() if number >= least}
