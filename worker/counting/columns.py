"""Events in columns, which is how they are counted fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.clock import HOUR_MS
from shared.counts.rollups import ROLLED_UP

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
