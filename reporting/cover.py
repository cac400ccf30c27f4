"""Which parts of a range the rollups know: whole days, whole hours, and the ragged rest.

|--edge--|--hours--|-------days-------|--hours--|--edge--|
start                                                  end
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from shared.rollups import DAY_MS, HOUR_MS

Span = tuple[int, int]  # ms, half-open


@dataclass
class Cover:
    """Spans in order, none empty. Each edge lies within one bucket; days and hours may join."""

    days: list[Span] = field(default_factory=list)
    hours: list[Span] = field(default_factory=list)
    edges: list[Span] = field(default_factory=list)


def cover_of(boundaries: Sequence[int]) -> Cover:
    """How to add up each bucket between `boundaries` from the fewest parts."""
    cover = Cover()
    for start, end in pairwise(boundaries):
        first_hour, last_hour = ceiling(start, HOUR_MS), end - end % HOUR_MS
        if first_hour >= last_hour:
            add(cover.edges, start, end)
            continue
        add(cover.edges, start, first_hour)
        first_day, last_day = ceiling(first_hour, DAY_MS), last_hour - last_hour % DAY_MS
        if first_day >= last_day:
            extend(cover.hours, first_hour, last_hour)
        else:
            extend(cover.hours, first_hour, first_day)
            extend(cover.days, first_day, last_day)
            extend(cover.hours, last_day, last_hour)
        add(cover.edges, last_hour, end)
    return cover


def ceiling(moment: int, step: int) -> int:
    return -(-moment // step) * step


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


def bucket_at(boundaries: Sequence[int], moment: int) -> int:
    """The number of the bucket that `moment` lies in."""
    return bisect_right(boundaries, moment) - 1
