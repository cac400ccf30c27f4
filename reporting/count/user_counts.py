"""Distinct users, exactly: unions of the bitmaps of whole weeks, days and hours, of those that are
not merged into these yet, and of the users of the ragged edges."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from pyroaring import BitMap
from sqlalchemy import Connection

from reporting.ask.query import Query
from reporting.count.cover import FEW_BUCKETS, Cover, bridged, bucket_at, is_within
from reporting.count.each_span import fetch_each
from reporting.count.prepared import fetch
from reporting.count.rollup_statements import chunks, select_bitmaps, select_recent_users
from reporting.count.statements import select_edge_users
from shared.clock import HOUR_MS
from shared.counts.rollups import LEVELS, TOTAL, TOTAL_KEY, value_key
from shared.counts.user_sets import sets_of

# When, of which value, and who was there.
Part = tuple[int, bytes, BitMap]


def fetch_unique_users(
    connection: Connection,
    query: Query,
    dimension: str,
    values: Sequence[str],
    boundaries: Sequence[int],
    cover: Cover,
    unmerged: Iterable[Part],
) -> Counter[tuple[bytes, int]]:
    """How many users each value of a dimension has, by its key and the number of the bucket, with
    those of what is not merged."""
    keys = [value_key(value) for value in values]
    found: dict[tuple[bytes, int], list[BitMap]] = defaultdict(list)
    for moment, key, users in chain(
        compacted(connection, query.site_id, dimension, keys, cover),
        recent(connection, query.site_id, dimension, keys, cover),
        at_edges(connection, query, dimension, values, cover),
        unmerged,
    ):
        found[key, bucket_at(boundaries, moment)].append(users)
    return Counter({cell: count_all(parts) for cell, parts in found.items()})


def count_all(parts: Sequence[BitMap]) -> int:
    """How many users there are in any of `parts`. A union of one would only be a copy."""
    return len(parts[0]) if len(parts) == 1 else len(BitMap.union(*parts))


def compacted(
    connection: Connection, site_id: str, dimension: str, keys: Sequence[bytes], cover: Cover
) -> Iterator[Part]:
    for level, spans in zip(LEVELS, cover.levels, strict=True):
        for some_keys in chunks(keys):
            for some_spans in chunks(bridged(spans, FEW_BUCKETS * level.bucket_ms)):
                wanted = (level.users, site_id, dimension, some_keys, some_spans)
                for row in fetch(connection, select_bitmaps, *wanted):
                    if is_within(spans, row.bucket):
                        yield row.bucket, row.value_key, BitMap.deserialize(row.bitmap)


def recent(
    connection: Connection, site_id: str, dimension: str, keys: Sequence[bytes], cover: Cover
) -> Iterator[Part]:
    """What batches of earlier versions brought."""
    wanted = frozenset(keys)
    whole = cover.in_rollups
    for spans in chunks(bridged(whole, FEW_BUCKETS * HOUR_MS)):
        for row in fetch(connection, select_recent_users, site_id, spans):
            if is_within(whole, row.bucket):
                for key, users in sets_of(row.sets, dimension, wanted):
                    yield row.bucket, key, users


def at_edges(
    connection: Connection, query: Query, dimension: str, values: Sequence[str], cover: Cover
) -> Iterator[Part]:
    for some in chunks(values):
        of_edge = partial(select_edge_users, query, dimension, some)
        numbers: dict[tuple[int, str], list[int]] = defaultdict(list)
        for start, value, number in fetch_each(connection, of_edge, query.site_id, cover.in_events):
            numbers[start, TOTAL if dimension == TOTAL else value].append(number)
        for (start, value), members in numbers.items():
            yield start, TOTAL_KEY if dimension == TOTAL else value_key(value), BitMap(members)
