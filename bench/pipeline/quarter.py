"""The operator's case: 90 days of 200 sites of very different size, through two workers, while
somebody looks at the largest site.
"""

from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

from bench.against.programs import Program, cpu_seconds
from bench.against.storing import Servers
from bench.against.versions import Version
from bench.pipeline.asking import Asker, p95
from bench.pipeline.cost import Cost
from bench.pipeline.disk import shared_bytes, table_bytes
from bench.pipeline.loads import MARIADB
from bench.pipeline.running import Drained, Pipeline
from bench.pipeline.traffic import Traffic, payloads, site_name
from shared.clock import DAY_MS, now_ms

DAYS = 90
SITES = 200
WORKERS = 2


class Quarter(NamedTuple):
    """What it took. `thirds` are the events a second of each third of them, as they were stored,
    `costs` the CPU seconds meanwhile: what is merged then may be of earlier ones. `reporting` is
    the CPU seconds of the process that answered meanwhile; what it asked of the database is in the
    database's. `at_end` is the cost of what the periodic process makes of the days that are over,
    `segments` of them, within minutes."""

    drained: Drained
    thirds: list[float]
    costs: list[Cost]
    reporting: float
    at_end: Cost
    segments: int
    asked_ms: list[float]
    tables: dict[str, int]
    shared_growth: int

    @property
    def events(self) -> int:
        return self.drained.events

    @property
    def evenness(self) -> float:
        return self.thirds[-1] / self.thirds[0]

    @property
    def p95_ms(self) -> float:
        return p95(self.asked_ms)

    @property
    def bytes_an_event(self) -> float:
        return sum(self.tables.values()) / self.events


def quarter_of(events: int, days: int = DAYS, sites: int = SITES) -> Traffic:
    """It ends now."""
    span = days * DAY_MS
    return Traffic(events, now_ms() - span, span, sites, is_zipf=True)


class Progress:
    """How many events were stored when, in seconds since it was made."""

    def __init__(self, pipeline: Pipeline, traffic: Traffic) -> None:
        self.pipeline = pipeline
        self.traffic = traffic
        self.started = 0.0
        self.samples: list[tuple[float, int]] = [(0.0, 0)]
        # At the beginning, and where each third of the events was stored.
        self.costs: list[Cost] = []

    def look(self) -> None:
        if not self.started:
            self.started = perf_counter()
        stored = self.pipeline.rest.stored()
        self.samples.append((perf_counter() - self.started, stored))
        if stored * 3 >= len(self.costs) * self.traffic.events:
            self.costs.append(self.pipeline.cost())

    def newest(self) -> int:
        """When the last of what is stored happened, in ms."""
        share = min(self.samples[-1][1] / self.traffic.events, 1)
        return self.traffic.start + int(share * (self.traffic.span_ms - 1))


def thirds_of(samples: list[tuple[float, int]], events: int) -> list[float]:
    """Events a second of each third; `samples` begin with none and end with all of them."""
    ends = [reached(samples, events * part / 3) for part in range(4)]
    return [events / 3 / (end - start) for start, end in pairwise(ends)]


def reached(samples: list[tuple[float, int]], events: float) -> float:
    """When so many were stored, as if they had come evenly between two samples."""
    for (before, fewer), (after, more) in pairwise(samples):
        if more >= events:
            return before + (after - before) * (events - fewer) / max(more - fewer, 1)
    return samples[-1][0]


def measure_quarter(servers: Servers, version: Version, traffic: Traffic) -> Quarter:
    with (
        servers.empty(MARIADB) as environment,
        Pipeline(version, servers, environment, WORKERS) as pipeline,
        Program(version, "reporting", environment) as reporting,
    ):
        server, url = servers.mariadb, str(environment["DATABASE_URL"])
        progress = Progress(pipeline, traffic)
        shared = shared_bytes(server)
        pipeline.hold(payloads(traffic))
        asking = cpu_seconds(reporting)
        with Asker(reporting, site_name(0), progress.newest) as asker:

            def look() -> None:
                asker.require()
                progress.look()

            drained = pipeline.drain((), look)
        look()
        asking = cpu_seconds(reporting) - asking
        before = pipeline.cost()
        pipeline.make_segments()
        at_end = pipeline.cost().since(before)
        return Quarter(
            drained,
            thirds_of(progress.samples, traffic.events),
            [after.since(before) for before, after in pairwise(progress.costs[:4])],
            asking,
            at_end,
            pipeline.rest.segments(),
            asker.times_ms,
            table_bytes(server, url),
            shared_bytes(server) - shared,
        )
