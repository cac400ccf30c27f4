"""The ledger for Prometheus, read at each scrape."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reporting.answers.ledger import Settled, fetch_settled
from reporting.answers.replica import fetch_lag
from reporting.answers.unmerged import Unmerged, fetch_unmerged
from reporting.answers.verified import fetch_verification
from reporting.route import Sources
from shared.clock import SECOND_MS
from shared.errors import Unavailable
from shared.outcomes import Outcome
from shared.queue.verification import Verification


class LedgerCollector(Collector):
    """What became of events, how many are not merged, and how far a replica is behind; nothing of a
    database that is away. And what the last comparison of counts and events came to.

    `clock` tells the time in ms.
    """

    def __init__(self, sources: Sources, clock: Callable[[], int]) -> None:
        self.sources = sources
        self.clock = clock

    def describe(self) -> Iterator[Metric]:
        return iter(())  # without it, registering would collect, and that needs the database

    def collect(self) -> Iterator[Metric]:
        with suppress(Unavailable):
            yield from verified_of(fetch_verification(self.sources.queue))
        try:
            yield outcomes_of(fetch_settled(self.sources.ledger))
            yield from gauges_of(fetch_unmerged(self.sources.ledger, self.clock()))
            lag = fetch_lag(self.sources, self.clock())
        except Unavailable:
            return
        if lag is not None:
            yield GaugeMetricFamily(
                "footfall_replica_lag_seconds",
                "How long ago the oldest batch was stored that the replica lacks.",
                value=lag,
            )


def outcomes_of(settled: Settled) -> CounterMetricFamily:
    family = CounterMetricFamily(
        "footfall_events", "Events by what became of them.", labels=["outcome", "reason"]
    )
    family.add_metric([Outcome.STORED, ""], settled.stored)
    family.add_metric([Outcome.DUPLICATE, ""], settled.duplicates)
    family.add_metric([Outcome.DEAD, ""], settled.dead)
    family.add_metric([Outcome.ERASED, ""], settled.erased)
    for reason, number in settled.dropped.items():
        family.add_metric([Outcome.DROPPED, reason], number)
    return family


def gauges_of(unmerged: Unmerged) -> Iterator[GaugeMetricFamily]:
    yield GaugeMetricFamily(
        "footfall_unmerged_events", "Events stored that no rollup has yet.", value=unmerged.events
    )
    yield GaugeMetricFamily(
        "footfall_oldest_unmerged_seconds",
        "How long ago the oldest of these was stored; 0 where there is none.",
        value=unmerged.oldest_seconds or 0,
    )


def verified_of(verification: Verification | None) -> Iterator[Metric]:
    if verification is None:
        return
    yield GaugeMetricFamily(
        "footfall_verified_differences",
        "Differences that the last nightly comparison of counts and events found.",
        value=verification.differences,
    )
    for name, help_text, moment in (
        ("since", "From which moment on events were compared, in Unix time.", verification.since),
        ("until", "When that comparison began, in Unix time.", verification.until),
        ("ended", "When that comparison ended, in Unix time.", verification.ended_at),
    ):
        yield GaugeMetricFamily(
            f"footfall_verified_{name}_seconds", help_text, value=moment / SECOND_MS
        )
