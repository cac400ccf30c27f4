"""Events on their way into an empty database: posted at a version's door, drained by its worker.

What a version leaves to its periodic process is not in the worker's figure.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from bench.against.figures import Measured, Measures
from bench.against.posts import COUNTRY_HEADER, Post, post_all
from bench.against.programs import Program, cpu_seconds, migrate
from bench.against.versions import Version
from shared.db.database import make_engine
from shared.settings import Settings
from tests.servers import MariaDbServer, ValkeyServer, wait_until
from tests.stack import Client

DATABASES = ("sqlite", "mariadb")
FIRST_CLAIM_SECONDS = 60
DRAIN_SECONDS = 600
LOOK_SECONDS = 0.005
# The same in all versions: the list of what waits, and the batches that a worker holds.
BUFFER, BATCHES = "footfall:buffer", "footfall:batches"

# Of a program: names and values.
Environment = dict[str, object]


@dataclass(frozen=True)
class Servers:
    """What both versions use in turn."""

    valkey: ValkeyServer
    mariadb: MariaDbServer

    @contextmanager
    def empty(self, database: str) -> Iterator[Environment]:
        """An empty Redis, and a database without tables that is gone after the block."""
        with TemporaryDirectory(prefix="ff-") as directory, self.valkey.client() as client:
            client.flushall()
            is_file = database == "sqlite"
            url = f"sqlite:///{directory}/it.db" if is_file else self.mariadb.create_database()
            try:
                yield {
                    "REDIS_URL": self.valkey.url,
                    "DATABASE_URL": url,
                    "MAX_BACKLOG": 1_000_000_000,
                    "COUNTRY_HEADER": COUNTRY_HEADER,
                }
            finally:
                if not is_file:
                    self.mariadb.drop_database(url)

    def drain(self, worker: Program, events: int) -> Measured:
        """Wait for a worker that has just been started to store all that waits.

        The clock runs from its first claim: how long it takes to start is no part of it.
        """
        with self.valkey.client() as client:

            def waiting() -> int:
                return int(client.llen(BUFFER))

            def is_drained() -> bool:
                return waiting() == 0 and client.zcard(BATCHES) == 0

            backlog = waiting()
            if backlog == 0:
                raise RuntimeError(f"nothing waits in {BUFFER}")
            wait_until(lambda: waiting() < backlog, FIRST_CLAIM_SECONDS, LOOK_SECONDS)
            started, cpu = perf_counter(), self.cpu_seconds(worker)
            wait_until(is_drained, DRAIN_SECONDS, LOOK_SECONDS)
            elapsed = perf_counter() - started
            return Measured(events / elapsed, (self.cpu_seconds(worker) - cpu) / events)

    def cpu_seconds(self, program: Program) -> float:
        return cpu_seconds(program, self.valkey, self.mariadb)


def worker_measures(servers: Servers, posts: Sequence[Post]) -> Measures:
    """Events a second by database."""
    return {
        f"worker to {database}": partial(measure_worker, servers, database, posts)
        for database in DATABASES
    }


def measure_worker(
    servers: Servers, database: str, posts: Sequence[Post], version: Version
) -> Measured:
    with servers.empty(database) as environment:
        return store(servers, version, environment, posts)


def store(
    servers: Servers, version: Version, environment: Environment, posts: Sequence[Post]
) -> Measured:
    """Post everything, then let a worker store it."""
    migrate(version, environment)
    with Program(version, "ingestion", environment) as door:
        client = Client(door.url)
        post_all(client, posts)
        client.connection.close()
    events = sum(post.events for post in posts)
    with Program(version, "worker", environment) as worker:
        measured = servers.drain(worker, events)
        worker.stop()
    stored = count_events(str(environment["DATABASE_URL"]))
    if stored != events:
        raise RuntimeError(f"{stored} of {events} events stored by {version.name}")
    return measured


def count_events(url: str) -> int:
    engine = make_engine(Settings(database_url=url))
    with engine.connect() as connection:
        counted: Any = connection.exec_driver_sql("SELECT COUNT(*) FROM events").scalar()
    engine.dispose()
    return int(counted)
