"""A version's workers and its periodic process as they run, watched until all that waits is stored,
and counted where answers look first.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import islice
from time import perf_counter
from typing import NamedTuple, Self

from rq import Worker

from bench.against.programs import CannotRun, Program, cpu_seconds, migrate
from bench.against.storing import Environment, Servers
from bench.against.versions import Version
from bench.door import UNBOUNDED
from bench.pipeline.cost import Cost
from bench.pipeline.rest import Rest
from shared.queue.event_queue import (
    JOB_TIMEOUT_SECONDS,
    SEGMENTS_JOB,
    EventQueue,
    periodic_queue_name,
    rq_queue,
)
from shared.settings import Settings
from tests.servers import PATIENCE_SECONDS, wait_until

# Less than that is a fault.
LEAST_PER_SECOND = 200
LOOK_SECONDS = 0.05
# A periodic process compacts every ten seconds, and what it makes at the end may be much.
UPKEEP_SECONDS = 3600
PUSH_EVENTS = 5_000


class Drained(NamedTuple):
    """A backlog's way into the database. `stored_seconds` is how long it took until nothing waited
    in Redis, `seconds` until nothing was unmerged either; the CPU's is counted on until a version
    without merging has compacted its users."""

    events: int
    stored_seconds: float
    seconds: float
    cost: Cost

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def stored_per_second(self) -> float:
        return self.events / self.stored_seconds

    @property
    def cpu_us(self) -> float:
        """Of one event."""
        return 1e6 * self.cost.together / self.events


class Pipeline:
    """A context: the workers and the periodic process run in it, and have ended after it.

    `settings` are of those alone, beside what `environment` says of servers. What the periodic
    process does first, of a database that holds much already, may take `patience_seconds`.
    """

    def __init__(
        self,
        version: Version,
        servers: Servers,
        environment: Environment,
        workers: int = 1,
        settings: Environment | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.version = version
        self.patience_seconds = patience_seconds
        self.servers = servers
        self.environment = environment | UNBOUNDED
        self.settings = Settings(
            redis_url=servers.valkey.url,
            max_backlog=UNBOUNDED["MAX_BACKLOG"],
            max_backlog_bytes=UNBOUNDED["MAX_BACKLOG_BYTES"],
        )
        own = self.environment | (settings or {})
        self.periodic = Program(version, "worker.periodic", own)
        self.workers = [Program(version, "worker", own) for _ in range(workers)]
        self.stack = ExitStack()

    @property
    def programs(self) -> list[Program]:
        return [self.periodic, *self.workers]

    def __enter__(self) -> Self:
        """CannotRun where the version does not."""
        with ExitStack() as stack:
            for program in self.programs:
                stack.callback(program.close)
            migrate(self.version, self.environment)
            self.rest = Rest(self.servers.valkey.client(), str(self.environment["DATABASE_URL"]))
            stack.callback(self.rest.close)
            self.queue = EventQueue(self.settings)
            stack.callback(self.queue.close)
            for program in self.programs:
                program.start()
            wait_until(self.has_begun, self.patience_seconds)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def has_begun(self) -> bool:
        """Whether all have registered, and what is done first is done."""
        self.check()
        periodic = rq_queue(periodic_queue_name(self.settings), self.queue.redis)
        return (
            Worker.count(queue=self.queue.rq) == len(self.workers)
            and Worker.count(queue=periodic) == 1
            and not self.rest.has_jobs()
        )

    def check(self) -> None:
        """CannotRun where a program has ended."""
        for program in self.programs:
            if program.has_ended():
                raise CannotRun(f"{program.module} ended: {program.log()[-500:]}")

    def cost(self) -> Cost:
        """Since they were started."""
        return Cost(
            cpu_seconds(*self.workers),
            cpu_seconds(self.periodic),
            cpu_seconds(self.servers.mariadb),
            cpu_seconds(self.servers.valkey),
        )

    def hold(self, payloads: Iterable[bytes]) -> int:
        """Let the workers stand still, and put these into the queue; returns how many it has."""
        for worker in self.workers:
            worker.pause()
        waiting = iter(payloads)
        while some := list(islice(waiting, PUSH_EVENTS)):
            self.queue.push(some)
        return self.rest.queued()

    def drain(
        self, payloads: Iterable[bytes], look: Callable[[], object] = lambda: None
    ) -> Drained:
        """Hold these, and then let the workers go. `look` is called some times a second until
        all is stored. RuntimeError where not all of it is."""
        events = self.hold(payloads)
        before, started = self.cost(), perf_counter()
        for worker in self.workers:
            worker.resume()
        stored_seconds, seconds = self.wait_until_done(events, started, look)
        wait_until(self.rest.is_counted, UPKEEP_SECONDS, LOOK_SECONDS)
        cost = self.cost().since(before)
        self.require(events)
        return Drained(events, stored_seconds, seconds, cost)

    def wait_until_done(
        self, events: int, started: float, look: Callable[[], object]
    ) -> tuple[float, float]:
        """Seconds from `started` until nothing waits, and until nothing is unmerged either."""
        most_seconds = PATIENCE_SECONDS + events / LEAST_PER_SECOND

        def is_stored() -> bool:
            self.check()
            look()
            return self.rest.is_stored()

        wait_until(is_stored, most_seconds, LOOK_SECONDS)
        stored_seconds = perf_counter() - started
        wait_until(self.rest.is_merged, most_seconds, LOOK_SECONDS)
        merged_seconds = perf_counter() - started
        return stored_seconds, merged_seconds if self.rest.merges else stored_seconds

    def require(self, events: int) -> None:
        """RuntimeError where so many are not stored, each with its outcome."""
        found = (self.rest.events(), self.rest.stored())
        if found != (events, events):
            raise RuntimeError(f"{found} of {events} events stored by {self.version.name}")

    def make_segments(self) -> None:
        """What the periodic process would begin within five minutes, to its end."""
        periodic = rq_queue(periodic_queue_name(self.settings), self.queue.redis)
        periodic.enqueue(SEGMENTS_JOB, job_timeout=JOB_TIMEOUT_SECONDS, result_ttl=0, failure_ttl=0)
        wait_until(lambda: not self.rest.has_jobs(), UPKEEP_SECONDS, LOOK_SECONDS)
