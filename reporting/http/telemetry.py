"""The ledger for Prometheus, read at each scrape."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reporting.answers.ledger import Settled, fetch_settled
from reporting.answers.replica import fetch_lag
from reporting.answers.unmerged import Unmerged, fetch_unmerged
from reporting.route import Sources
from shared.errors import Unavailable
from shared.outcomes import Outcome


class LedgerCollector(Collector):
    """What became of events, how many are not merged, and how far a replica is behind; nothing of a
    database that is away.

    `clock` tells the time in ms.
    """

    def __init__(self, sources: Sources, clock: Callable[[], int]) -> None:
        self.sources = sources
        self.clock = clock

    def describe(self) -> Iterator[Metric]:
        return iter(())  # without it, registering would collect, and that needs the database

    def collect(self) -> Iterator[Metric]:
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
