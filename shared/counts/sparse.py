"""Sparse days: a site's days with so few events that their values are not worth counting each.

An event that is alone in its hour makes a row for itself of each of its values, in the hours and in
the days, and one more of who had it; to look at the few events themselves takes no longer than to
read these rows. So of a day that begins with few events, by what the day before had, only totals
are counted, and of one with some more, values by the day but not by the hour. What is not counted
is read from `events`, like the ragged edges of a range.

`sparse_days` has a row for each such day, from the transaction on that first counts anything of it;
a day without one is counted in full. Once it has GROWN times as many events, it is rebuilt. The row
says how many events of the day have been counted so. Where the rollups count another number, a
process of an earlier version, which counts in full, was at work there: then no values of that day
are taken from the rollups until it is rebuilt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from shared.clock import DAY_MS, HOUR_MS
from shared.counts.rollups import TOTAL
from shared.fields import EVENT_TYPE


class Kept(IntEnum):
    """What the rollups hold of a day; `sparse_days.kept` is one of the first two."""

    TOTALS = 0  # no values, no users of types, and no users by the hour
    DAYS = 1  # nothing of values by the hour
    ALL = 2

    def has_events(self, dimension: str, bucket_ms: int) -> bool:
        """Whether events of a dimension's values are counted in such buckets."""
        return self is Kept.ALL or dimension == TOTAL or (self is Kept.DAYS and bucket_ms > HOUR_MS)

    def has_users(self, dimension: str, bucket_ms: int) -> bool:
        """Whether the users of a dimension's values are kept in such buckets."""
        if self is Kept.TOTALS:
            return dimension == TOTAL and bucket_ms > HOUR_MS
        return self is Kept.ALL or bucket_ms > HOUR_MS or dimension in {TOTAL, EVENT_TYPE}


# Below so many events, a day begins as one of TOTALS, or of DAYS.
TOTALS_BELOW = 100
DAYS_BELOW = 2_000
# Times as many, and it is rebuilt with more.
GROWN = 4


@dataclass(frozen=True)
class KeptDays:
    """What is kept of days, each by its site and its first ms; of others, all."""

    sparse: Mapping[tuple[str, int], Kept] = field(default_factory=dict)

    def of(self, site_id: str, moment: int) -> Kept:
        """Of the day that a moment is in."""
        return self.sparse.get((site_id, moment - moment % DAY_MS), Kept.ALL)


COUNTED_IN_FULL = KeptDays()


def kept_of(events: int) -> Kept:
    """How a day with so many events is counted from its beginning."""
    if events < TOTALS_BELOW:
        return Kept.TOTALS
    return Kept.DAYS if events < DAYS_BELOW else Kept.ALL


def too_many_for(kept: Kept) -> int:
    """From how many events on a day is no longer sparse, or that sparse."""
    return GROWN * (TOTALS_BELOW if kept is Kept.TOTALS else DAYS_BELOW)
