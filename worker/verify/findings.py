"""Differences between `events` and what was made of them: one line each, and not all of many."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.clock import iso_from_ms

MOST_LINES = 20
NO_ROW = "no row"


@dataclass
class Findings:
    """Says each difference as it is found, and counts them all, by table."""

    say: Callable[[str], None]
    found: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, where: str, expected: object, found: object) -> None:
        self.found[table] += 1
        if self.found[table] <= MOST_LINES:
            self.say(f"{table}: {where}: expected {expected}, found {found}")

    def say_how_many_more(self) -> None:
        for table, number in self.found.items():
            if number > MOST_LINES:
                self.say(f"{table}: and {number - MOST_LINES} more")


def place(site_id: str, bucket: int | None = None, **of: str) -> str:
    """Where a difference is: `site='demo' bucket=2025-11-15T09:00:00Z dimension='path' …`."""
    parts = [f"site={site_id!r}"]
    if bucket is not None:
        parts.append(f"bucket={iso_from_ms(bucket)}")
    return " ".join([*parts, *(f"{name}={value!r}" for name, value in of.items())])
