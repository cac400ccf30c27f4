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


def count_answers(status: int, events: int, answers: int = 1) -> None:
    """Count answers by their HTTP status, and the events that are kept by now; of an image, which
    is always 200, by its event's status."""
    counter = ANSWERS_BY_STATUS.get(status)
    if counter is None:
        counter = ANSWERS_BY_STATUS[status] = ANSWERS.labels(str(status))
    counter.inc(answers)
    if events:
        EVENTS.inc(events)


def count_dropped(number: int, reason: str) -> None:
    """Count events that were valid and are not pushed."""
    DROPPED.labels(reason).inc(number)


class TurnCount:
    """Counts all answers of one turn of a loop at once: each counter takes a lock each time."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self.call_soon = call_soon
        # By status: answers, and events.
        self.counted: dict[int, tuple[int, int]] = {}

    def __call__(self, status: int, events: int) -> None:
        if not self.counted:
            self.call_soon(self.tell)
        before = self.counted.get(status, (0, 0))
        self.counted[status] = (before[0] + 1, before[1] + events)

    def tell(self) -> None:
        for status, (answers, events) in self.counted.items():
            count_answers(status, events, answers)
        self.counted.clear()


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
