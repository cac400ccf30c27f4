"""What a run measures while it goes: how many of what, and how long answers took.

Latency is counted from the moment a request was planned for, not from when it could be sent, so
that a server that stalls is charged for everybody who had to wait meanwhile.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

# Each bucket ends 2 % above the one before: a percentile is at most so much too high.
GROWTH = math.log(1.02)
SMALLEST_MS = 0.01


class Latencies:
    """A histogram of milliseconds; it takes the same room for a thousand values and a billion."""

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.buckets[math.ceil(math.log(max(seconds * 1000, SMALLEST_MS)) / GROWTH)] += 1

    def percentile(self, share: float) -> float:
        """The milliseconds that this share of all values does not exceed; 0 without any."""
        wanted = share * self.buckets.total()
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return math.exp(bucket * GROWTH)
        return 0.0


@dataclass(frozen=True)
class Figures:
    """What is shown of a stretch of time: accepted events a second, milliseconds, and totals."""

    elapsed_seconds: float
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    accepted: int
    errors: int
    overdue: int


@dataclass
class Measures:
    """Counts of events, and of errors by their reason."""

    accepted: int = 0
    rejected: int = 0
    resent: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    all: Latencies = field(default_factory=Latencies)
    lately: Latencies = field(default_factory=Latencies)
    lately_since: float = 0.0
    lately_accepted: int = 0

    def answered(self, accepted: int, rejected: int, seconds: float) -> None:
        self.accepted += accepted
        self.rejected += rejected
        self.all.add(seconds)
        self.lately.add(seconds)

    def figures_lately(self, now: float, overdue: int) -> Figures:
        """Since the last time this was asked; `now` in seconds since the start."""
        accepted = self.accepted - self.lately_accepted
        shown = self.figures(self.lately, accepted, now - self.lately_since, now, overdue)
        self.lately, self.lately_since, self.lately_accepted = Latencies(), now, self.accepted
        return shown

    def figures_overall(self, now: float, overdue: int) -> Figures:
        return self.figures(self.all, self.accepted, now, now, overdue)

    def figures(
        self, latencies: Latencies, accepted: int, seconds: float, now: float, overdue: int
    ) -> Figures:
        return Figures(
            now,
            accepted / seconds if seconds > 0 else 0.0,
            latencies.percentile(0.5),
            latencies.percentile(0.95),
            latencies.percentile(0.99),
            self.accepted,
            self.errors.total(),
            overdue,
        )
