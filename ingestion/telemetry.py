"""Numbers about ingestion itself, for Prometheus. Product numbers are the ledger's, not these."""

from collections.abc import Callable, Iterator

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
    """What waits in Redis and in the spool, asked at each scrape; nothing of a Redis that is away.

    `spool_bytes` tells how much waits on this machine's disk.
    """

    def __init__(self, queue: EventQueue, spool_bytes: Callable[[], int]) -> None:
        self.queue = queue
        self.spool_bytes = spool_bytes

    def describe(self) -> Iterator[Metric]:
        return iter(())  # without it, registering would collect, and that needs Redis

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "footfall_spool_bytes", "Bytes in the spool of this machine.", self.spool_bytes()
        )
        try:
            backlog = self.queue.snapshot()
        except redis.RedisError:
            return
        yield CounterMetricFamily(
            "footfall_accepted_events", "Events accepted, ever.", backlog.accepted
        )
        yield GaugeMetricFamily("footfall_queued_events", "Events in the buffer.", backlog.queued)
        yield GaugeMetricFamily(
            "footfall_queued_bytes", "Bytes of events in the buffer.", backlog.queued_bytes
        )
        yield GaugeMetricFamily(
            "footfall_processing_events", "Events claimed by a worker.", backlog.processing
        )
        yield GaugeMetricFamily(
            "footfall_spooled_events",
            "Events in all spools, as they told Redis.",
            sum(spool.events for spool in backlog.spools),
        )
