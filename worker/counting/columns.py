"""Events turned from rows into columns, which is how they are counted fast."""

from collections.abc import Sequence
from typing import Any

from shared.clock import HOUR_MS
from shared.counts.rollups import ROLLED_UP

Row = Sequence[Any]


class Columns:
    """Events as rows, at least one, turned into columns.

    `names` say what a row holds; of two with one name the later is meant.
    """

    def __init__(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        self.site_ids: tuple[str, ...] = columns["site_id"]
        self.timestamps: tuple[int, ...] = columns["timestamp"]
        self.event_types: tuple[str, ...] = columns["event_type"]
        self.user_ids: tuple[str | None, ...] = columns["user_id"]
        self.hours = [timestamp - timestamp % HOUR_MS for timestamp in self.timestamps]
        # Each dimension that is rolled up and of which any row has a value.
        self.of_dimension: dict[str, tuple[str | None, ...]] = {
            name: values
            for name, column in ROLLED_UP.items()
            if (values := columns[column.name]).count(None) < len(values)
        }
