"""How much is stored that no rollup has yet. Answers add it up, so they are exact all the same."""

from typing import NamedTuple

from sqlalchemy import Engine

from reporting.answers.members import seconds_since
from reporting.count.pending_statements import select_unmerged
from shared.db.database import translated_errors

# Events are merged within half a minute. What waits for longer than this, nobody merges.
LONG_SECONDS = 120


class Unmerged(NamedTuple):
    """Events, and how long ago the oldest of them were stored, by their worker's clock."""

    events: int
    oldest_seconds: float | None

    @property
    def warnings(self) -> list[str]:
        """What an operator should know."""
        if self.oldest_seconds is None or self.oldest_seconds <= LONG_SECONDS:
            return []
        waited = f"{self.events} events, the oldest for {self.oldest_seconds:.0f} s"
        return [f"not merged into the rollups yet: {waited}; does the periodic process run?"]


ALL_MERGED = Unmerged(0, None)


def fetch_unmerged(engine: Engine, now: int) -> Unmerged:
    """`now` is in ms. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        events, oldest = connection.execute(select_unmerged()).one()
    return Unmerged(int(events or 0), seconds_since(oldest, now))
