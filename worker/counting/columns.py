"""Events in columns, which is how they are counted fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from shared.clock import HOUR_MS
from shared.counts.rollups import ROLLED_UP
from shared.counts.sparse import Kept, KeptDays

Row = Sequence[Any]


@dataclass
class Columns:
    """Events, at least one, column by column; of dimensions those that are rolled up and of which
    any event has a value."""

    site_ids: Sequence[str]
    timestamps: Sequence[int]
    event_types: Sequence[str]
    of_dimension: Mapping[str, Sequence[str | None]]

    @classmethod
    def of_rows(cls, rows: Sequence[Row], names: Sequence[str]) -> Self:
        """`names` say what a row holds; of two with one name the later is meant."""
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        return cls(
            columns["site_id"],
            columns["timestamp"],
            columns["event_type"],
            {
                name: values
                for name, column in ROLLED_UP.items()
                if (values := columns[column.name]).count(None) < len(values)
            },
        )

    def __post_init__(self) -> None:
        self.hours = [timestamp - timestamp % HOUR_MS for timestamp in self.timestamps]

    def without_values(self, kept: KeptDays) -> Self:
        """The same, without the values of days of which none are counted."""
        are_left_out = [
            kept.of(site_id, hour) is Kept.TOTALS
            for site_id, hour in zip(self.site_ids, self.hours, strict=True)
        ]
        if not any(are_left_out):
            return self
        of_dimension = {
            name: [
                None if is_left_out else value
                for value, is_left_out in zip(values, are_left_out, strict=True)
            ]
            for name, values in self.of_dimension.items()
        }
        return replace(self, of_dimension=of_dimension)
