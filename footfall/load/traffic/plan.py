"""When each request is to be sent: fixed before the first one, whatever the server does."""

from dataclasses import dataclass
from typing import NamedTuple


class Slot(NamedTuple):
    """A planned request: its first event's number, how many it has, and when it is due."""

    first: int
    events: int
    at: float


@dataclass
class Plan:
    """`events` events at `rate` a second, each request sent when its last one happens.

    Times are seconds since the start.
    """

    rate: float
    events: int
    batch: int = 1
    taken: int = 0

    @property
    def is_over(self) -> bool:
        return self.taken >= self.events

    @property
    def next(self) -> Slot:
        events = min(self.batch, self.events - self.taken)
        return Slot(self.taken, events, self.time_of(self.taken + events - 1))

    def time_of(self, number: int) -> float:
        # Reckoned from the start each time: a sum of steps would drift.
        return number / self.rate

    def take(self, now: float) -> Slot | None:
        """The next request, if it is due."""
        if self.is_over or self.next.at > now:
            return None
        slot = self.next
        self.taken += slot.events
        return slot

    def overdue(self, now: float) -> int:
        """Events that should have been sent by now, and were not."""
        happened = min(self.events, int(now * self.rate) + 1)
        due = happened if happened == self.events else happened - happened % self.batch
        return max(0, due - self.taken)

    def cut(self) -> None:
        """Plan nothing more."""
        self.events = self.taken
