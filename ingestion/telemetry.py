"""Numbers about ingestion itself, for Prometheus. Product numbers are the ledger's, not these."""

from collections.abc import Iterator

import redis
from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.queue.event_queue import EventQueue

ANSWERS = Counter("footfall_ingestion_answers", "Answers to POST /event and /events.", ["status"])
EVENTS = Counter("footfall_ingestion_events", "Events this service pushed to the queue.")

# labels() looks the child up under a lock each time; the door asks ten thousand times a second.
ANSWERS_BY_STATUS_LINE: dict[str, Counter] = {}


def count_answer(status_line: str) -> None:
    """Count one answer by its HTTP status."""
    counter = ANSWERS_BY_STATUS_LINE.get(status_line)
    if counter is None:
        counter = ANSWERS.labels(status_line[:3])
        ANSWERS_BY_STATUS_LINE[status_line] = counter
    counter.inc()


def count_events(number: int) -> None:
    """Count events that are now in the queue."""
    EVENTS.inc(number)


class BacklogCollector(Collector):
    """What waits in Redis, asked at each scrape; nothing while Redis is away."""

    def __init__(self, queue: EventQueue) -> None:
        self.queue = queue

    def describe(self) -> Iterator[Metric]:
        return iter(())  # without it, registering would collect, and that needs Redis

    def collect(self) -> Iterator[Metric]:
        try:
            backlog = self.queue.snapshot()
        except redis.RedisError:
            return
        yield CounterMetricFamily(
            "footfall_accepted_events", "Events accepted, ever.", backlog.accepted
        )
        yield GaugeMetricFamily("footfall_queued_events", "Events in the buffer.", backlog.queued)
        yield GaugeMetricFamily(
            "footfall_processing_events", "Events claimed by a worker.", backlog.processing
        )
