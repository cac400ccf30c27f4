"""Which parts of a range the rollups know: whole weeks, days and hours, and the ragged rest.

|--edge--|--hours--|--days--|-------weeks-------|--days--|--hours--|--edge--|
start                                                                     end
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from shared.clock import HOUR_MS
from shared.counts.rollups import LEVELS, bucket_start

Span = tuple[int, int]  # ms, half-open
# A gap of so many may be read and left out.
FEW_BUCKETS = 2


@dataclass
class Cover:
    """Spans in order, none empty. Each edge lies within one bucket; others may join.

    `levels` has the spans of whole hours, whole days and whole weeks, as LEVELS. Of `sparse`, whole
    hours that are in `levels` too, the rollups do not have what is asked.
    """

    edges: list[Span] = field(default_factory=list)
    levels: tuple[list[Span], ...] = field(default_factory=lambda: tuple([] for _ in LEVELS))
    sparse: list[Span] = field(default_factory=list)

    @property
    def in_rollups(self) -> list[Span]:
        """All that is not read from events, in as few spans as possible."""
        whole = joined(span for spans in self.levels for span in spans)
        return without(whole, self.sparse) if self.sparse else whole

    @property
    def in_events(self) -> list[Span]:
        """What is read from events: each lies between two boundaries."""
        return sorted([*self.edges, *self.sparse])


def cover_of(boundaries: Sequence[int]) -> Cover:
    """How to add up each bucket between `boundaries` from the fewest parts."""
    cover = Cover()
    for start, end in pairwise(boundaries):
        first, last = ceiling(start, HOUR_MS), bucket_start(end, HOUR_MS)
        if first >= last:
            add(cover.edges, start, end)
            continue
        add(cover.edges, start, first)
        split(cover, 0, first, last)
        add(cover.edges, last, end)
    return cover


def split(cover: Cover, level: int, start: int, end: int) -> None:
    """Put a span of whole units of a level there, save what the coarser levels take of it."""
    spans = cover.levels[level]
    if level + 1 < len(LEVELS):
        coarser_ms = LEVELS[level + 1].bucket_ms
        first, last = ceiling(start, coarser_ms), bucket_start(end, coarser_ms)
        if first < last:
            extend(spans, start, first)
            split(cover, level + 1, first, last)
            start = last
    extend(spans, start, end)


def ceiling(moment: int, bucket_ms: int) -> int:
    """The first beginning of a bucket that is not before the moment."""
    return bucket_start(moment + bucket_ms - 1, bucket_ms)


def add(spans: list[Span], start: int, end: int) -> None:
    if start < end:
        spans.append((start, end))


def extend(spans: list[Span], start: int, end: int) -> None:
    """Add a span, as a part of the last one where that ends at its start."""
    if spans and spans[-1][1] == start:
        spans[-1] = (spans[-1][0], max(end, start))
    else:
        add(spans, start, end)


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in as few spans as possible."""
    found: list[Span] = []
    for start, end in sorted(spans):
        extend(found, start, end)
    return found


def without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """What is left of spans in order; each hole in order lies in one of them."""
    found: list[Span] = []
    for start, end in spans:
        first, last = (bisect_left(holes, (moment, 0)) for moment in (start, end))
        for hole_start, hole_end in holes[first:last]:
            add(found, start, hole_start)
            start = hole_end
        add(found, start, end)
    return found


def cut(spans: Sequence[Span], boundaries: Sequence[int]) -> list[Span]:
    """The same time, no span across a boundary."""
    found: list[Span] = []
    for start, end in spans:
        first, last = bisect_right(boundaries, start), bisect_left(boundaries, end)
        for boundary in boundaries[first:last]:
            found.append((start, boundary))
            start = boundary
        found.append((start, end))
    return found


def bridged(spans: Sequence[Span], gap_ms: int) -> list[Span]:
    """Spans in order, with gaps of up to `gap_ms` as parts of them: to read what lies in these, and
    to leave it out, takes less time than to read so many spans one by one."""
    found: list[Span] = []
    for start, end in spans:
        if found and start - found[-1][1] <= gap_ms:
            start = found.pop()[0]
        found.append((start, end))
    return found


def is_within(spans: Sequence[Span], moment: int) -> bool:
    """Whether a moment lies in one of spans in order."""
    place = bisect_right(spans, (moment, math.inf)) - 1
    return place >= 0 and moment < spans[place][1]


def bucket_at(boundaries: Sequence[int], moment: int) -> int:
    """The number of the bucket that `moment` lies in."""
    return bisect_right(boundaries, moment) - 1
