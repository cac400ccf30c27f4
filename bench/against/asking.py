"""Questions to a version's reporting, about a site that its own door, worker and periodic process
have stored: the same events in each version.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from time import perf_counter, sleep

from bench.against.figures import Measured, Measures
from bench.against.posts import Post
from bench.against.programs import Program
from bench.against.storing import DATABASES, Environment, Servers, store
from bench.against.versions import Version
from bench.history import History
from bench.report import note
from bench.reporting import PROMISED, questions
from tests.servers import wait_until
from tests.stack import Client

# The periodic process, which begins with all it has to do, is done when it and its servers have
# used less than this share of a processor for some seconds.
QUIET_SHARE = 0.05
PERIODIC_SECONDS = 600
WARM_UP = 3


@dataclass(frozen=True)
class Content:
    """What a site is made of; `quiet_seconds` is how long to watch the periodic process."""

    history: History
    posts: Sequence[Post]
    quiet_seconds: float


class Sites:
    """Each version's reporting on each database, filled and started when it is first asked."""

    def __init__(self, servers: Servers, content: Content, stack: ExitStack) -> None:
        self.servers = servers
        self.content = content
        self.stack = stack
        self.services: dict[tuple[Version, str], Program] = {}

    def service(self, version: Version, database: str) -> Program:
        if (version, database) not in self.services:
            note(f"{version.name}: a site in {database}")
            environment = self.stack.enter_context(self.servers.empty(database))
            fill(self.servers, version, environment | {"BOT_BURST_LIMIT": 0}, self.content)
            service = self.stack.enter_context(Program(version, "reporting", environment))
            self.services[version, database] = service
        return self.services[version, database]

    def measure(self, database: str, path: str, asks: int, version: Version) -> Measured:
        """Answers a second, for one who asks again and again, at the median answer's speed."""
        service = self.service(version, database)
        client = Client(service.url)
        times = [ask(client, path) for _ in range(WARM_UP)]
        before = self.servers.cpu_seconds(service)
        times = [ask(client, path) for _ in range(asks)]
        used = self.servers.cpu_seconds(service) - before
        client.connection.close()
        return Measured(1 / statistics.median(times), used / asks)


def fill(servers: Servers, version: Version, environment: Environment, content: Content) -> None:
    """Store the site, and let the periodic process do all that it does later."""
    store(servers, version, environment, content.posts)
    with Program(version, "worker.periodic", environment) as periodic:

        def is_quiet() -> bool:
            before = servers.cpu_seconds(periodic)
            sleep(content.quiet_seconds)
            return servers.cpu_seconds(periodic) - before < QUIET_SHARE * content.quiet_seconds

        wait_until(is_quiet, PERIODIC_SECONDS)
        periodic.stop()


def ask(client: Client, path: str) -> float:
    """Seconds until the whole answer is there."""
    started = perf_counter()
    status, answer = client.request("GET", path, None, {})
    elapsed = perf_counter() - started
    if status != 200:
        raise RuntimeError(f"{path}: {status} {answer[:200]!r}")
    return elapsed


@contextmanager
def reporting_measures(servers: Servers, content: Content, asks: int) -> Iterator[Measures]:
    """Answers a second by database and question, for as long as the block."""
    last = datetime.fromtimestamp(content.history.last_day / 1000, UTC).date()
    asked = dict(islice(questions(last, content.history.days).items(), PROMISED))
    with ExitStack() as stack:
        sites = Sites(servers, content, stack)
        yield {
            f"{database}: {name}": partial(sites.measure, database, path, asks)
            for database in DATABASES
            for name, path in asked.items()
        }
