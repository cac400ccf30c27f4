"""Sparse days of a site, and what of a range is read from `events` because of them; see
shared/counts/sparse.py."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from sqlalchemy import Connection

from reporting.count.cover import Cover, Span, cut, joined
from reporting.count.prepared import fetch
from reporting.count.statements import select_sparse_days
from shared.clock import DAY_MS
from shared.counts.rollups import LEVELS
from shared.counts.sparse import Kept

# Whether the rollups have something of a dimension's values, in buckets of so many ms.
Has = Callable[[Kept, str, int], bool]


class SparseDays:
    """Those of a site of which any is in a span."""

    def __init__(self, connection: Connection, site_id: str, span: Span) -> None:
        self.connection = connection
        self.site_id = site_id
        self.span = span

    @cached_property
    def rows(self) -> list[tuple[int, Kept, bool]]:
        """Of each, in order: when it begins, what is kept, and whether an earlier version counted
        some of it."""
        return [
            (row.bucket, Kept(row.kept), row.events != row.counted)
            for row in fetch(self.connection, select_sparse_days, self.site_id, self.span)
        ]

    @cached_property
    def starts(self) -> list[int]:
        return [day for day, _, _ in self.rows]

    @property
    def are_mixed(self) -> bool:
        """Whether the rollups have values of some events of such a day, and not of others."""
        return any(is_mixed for _, _, is_mixed in self.rows)

    def beside(self, cover: Cover, boundaries: Sequence[int], dimension: str, has: Has) -> Cover:
        """The cover with the spans of which the rollups do not have that."""
        lacking: list[Span] = []
        for level, spans in zip(LEVELS, cover.levels, strict=True):
            without = {kept for kept in Kept if not has(kept, dimension, level.bucket_ms)}
            if without:
                lacking += (part for span in spans for part in self.parts(span, without))
        return replace(cover, sparse=cut(joined(lacking), boundaries)) if lacking else cover

    def parts(self, span: Span, of: Collection[Kept]) -> Iterator[Span]:
        """What of a span lies in days of which that is kept."""
        start, end = span
        first, last = bisect_right(self.starts, start - DAY_MS), bisect_left(self.starts, end)
        for day, kept, _ in self.rows[first:last]:
            if kept in of:
                yield max(day, start), min(day + DAY_MS, end)
