"""How many events a worker takes into one transaction, by how long the last ones took.

What a transaction costs once is shared by all its events, so a backlog is best stored in large
batches; but locks are held and numbers are late for as long as one takes.
"""

# A batch's lease is 15 times as long.
TARGET_SECONDS = 2.0


class Pace:
    """Begins at `least` events and stays from there to `largest`."""

    def __init__(self, least: int, largest: int) -> None:
        self.least = least
        self.largest = largest
        self.most = least

    def note(self, events: int, seconds: float) -> None:
        """A transaction took so long. Where that was too long, the next has as many as would have
        been in time; where one as large as it may be took half that time, twice as many."""
        if seconds > TARGET_SECONDS:
            fitting = int(events * TARGET_SECONDS / seconds)
            self.most = max(self.least, min(self.most, fitting))
        elif events >= self.most and seconds <= TARGET_SECONDS / 2:
            self.most = min(2 * self.most, self.largest)

    def begin_anew(self) -> None:
        """A transaction failed, perhaps because it took too long."""
        self.most = self.least
