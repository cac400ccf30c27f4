"""The ledger for Prometheus, read at each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from reporting.answers.ledger import fetch_settled
from shared.errors import Unavailable
from shared.outcomes import Outcome


class OutcomeCollector(Collector):
    """What became of events; nothing while the database is away."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def describe(self) -> Iterator[Metric]:
        return iter(())  # without it, registering would collect, and that needs the database

    def collect(self) -> Iterator[Metric]:
        try:
            settled = fetch_settled(self.engine)
        except Unavailable:
            return
        family = CounterMetricFamily(
            "footfall_events", "Events by what became of them.", labels=["outcome", "reason"]
        )
        family.add_metric([Outcome.STORED, ""], settled.stored)
        family.add_metric([Outcome.DUPLICATE, ""], settled.duplicates)
        family.add_metric([Outcome.DEAD, ""], settled.dead)
        for reason, number in settled.dropped.items():
            family.add_metric([Outcome.DROPPED, reason], number)
        yield family
