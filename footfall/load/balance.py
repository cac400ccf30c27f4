"""Whether everything that was accepted is accounted for.

A run's site is its own, so what is stored of it is known exactly. Drops and dead letters are known
of all sites together, in the ledger, as the difference between before and after.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ledger:
    """What /pipeline/status says, or how much of it came in a stretch of time."""

    accepted: int
    duplicates: int
    dead: int
    dropped: Counter[str]

    @property
    def not_stored(self) -> int:
        return self.dead + self.dropped.total()

    def since(self, before: "Ledger") -> "Ledger":
        return Ledger(
            self.accepted - before.accepted,
            self.duplicates - before.duplicates,
            self.dead - before.dead,
            self.dropped - before.dropped,
        )


def ledger_from(status: dict[str, Any]) -> Ledger:
    return Ledger(
        status["accepted"], status["duplicates"], status["dead"], Counter(status["dropped"])
    )


@dataclass(frozen=True)
class Balance:
    """Our events: accepted by their 202s, never answered, and stored; and the ledger meanwhile."""

    accepted: int
    unanswered: int
    stored: int
    ledger: Ledger

    @property
    def missing(self) -> int:
        """Accepted events that are neither stored nor, by the ledger, dropped or dead."""
        return self.accepted - self.stored - self.ledger.not_stored

    @property
    def others(self) -> int:
        """What the ledger took in besides: other sites' events, and copies of ours, sent again
        after a lost answer. So many of its drops and dead letters need not be ours."""
        return self.ledger.accepted - self.accepted

    @property
    def is_equal(self) -> bool:
        too_many = self.stored - self.accepted
        return too_many <= self.unanswered and -max(0, self.others) <= self.missing <= 0
