"""Numbers about ingestion itself, for Prometheus. Product numbers are the ledger's, not these."""

from collections.abc import Iterator

import redis
from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.queue.event_queue import EventQueue

ANSWERS = Counter(
    "footfall_ingestion_answers",
    "Requests that bring events, by the HTTP status of what became of them.",
    ["status"],
)
EVENTS = Counter("footfall_ingestion_events", "Events this service accepted.")
DROPPED = Counter(
    "footfall_ingestion_dropped_events",
    "Events that were answered and not kept, by the reason.",
    ["reason"],
)
TORN = Counter(
    "footfall_ingestion_torn_records", "Records of the spool that a power cut left incomplete."
)

# labels() looks the child up under a lock each time; the door asks ten thousand times a second.
ANSWERS_BY_STATUS: dict[int, Counter] = {}


def count_answer(status: int) -> None:
    """Count one answer by its HTTP status; of an image, which is always 200, by its event's."""
    counter = ANSWERS_BY_STATUS.get(status)
    if counter is None:
        counter = ANSWERS_BY_STATUS[status] = ANSWERS.labels(str(status))
    counter.inc()


def count_events(number: int) -> None:
    """Count events that are now kept."""
    EVENTS.inc(number)


def count_dropped(number: int, reason: str) -> None:
    """Count events that were valid and are not pushed."""
    DROPPED.labels(reason).inc(number)


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
