"""What the rollups should not have of sparse days; see shared/counts/sparse.py."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, select

from shared.clock import DAY_MS
from shared.counts.rollups import TOTAL
from shared.counts.sparse import Kept, KeptDays
from shared.db.tables import sparse_days
from worker.verify.portion import LABEL, Portion
from worker.verify.recount import Counts, Key

# Whether the rollups have something of a dimension's values, in buckets of so many ms.
Has = Callable[[Kept, str, int], bool]

T = TypeVar("T")


@dataclass(frozen=True)
class Sparse:
    """The sparse days of a portion, and those among them, by site and first ms, to which an earlier
    version has added: of these, answers take nothing but counts of all events from the rollups."""

    days: KeptDays
    mixed: frozenset[tuple[str, int]]

    def expected(self, cells: Mapping[Key, T], has: Has, bucket_ms: int) -> dict[Key, T]:
        """Those of all cells that the rollups should have."""
        if not self.days.sparse:
            return dict(cells)
        return {
            cell: value
            for cell, value in cells.items()
            if has(self.days.of(cell[0], cell[1]), cell[2], bucket_ms) and self.is_of_use(cell)
        }

    def found(self, cells: Mapping[Key, T]) -> dict[Key, T]:
        """Those of the rollups' cells that say anything."""
        return {cell: value for cell, value in cells.items() if self.is_of_use(cell)}

    def is_of_use(self, cell: Key) -> bool:
        site_id, bucket, dimension, _, event_type = cell
        day = bucket - bucket % DAY_MS
        return (site_id, day) not in self.mixed or (dimension == TOTAL and bool(event_type))


def fetch_sparse(connection: Connection, portion: Portion, days: Counts) -> Sparse:
    """`days` are what the rollups have by the day."""
    of = sparse_days.c
    statement = select(of.site_id, of.bucket, of.kept, of.events).prefix_with(LABEL)
    where = portion.moments(of.bucket, portion.start, portion.end)
    rows = connection.execute(statement.where(where)).all()
    totals: Counter[tuple[str, int]] = Counter()
    for (site_id, day, dimension, *_), number in days.items():
        if dimension == TOTAL:
            totals[site_id, day] += number
    return Sparse(
        KeptDays({(site_id, day): Kept(kept) for site_id, day, kept, _ in rows}),
        frozenset((site, day) for site, day, _, events in rows if totals[site, day] != events),
    )
