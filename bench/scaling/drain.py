"""One measurement: so many workers store a backlog that nobody adds to, through the proxy.

All of it waits in Redis, and all workers are there, before the first may claim any of it. The
periodic process merges meanwhile, straight in the database.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import psutil
import pymysql

from bench.against.programs import Program, cpu_seconds, migrate
from bench.against.versions import THIS
from bench.scaling.proxy import ProxyServer
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.servers import MariaDbServer, Server, ValkeyServer, wait_until

PUSH = 1000
START_SECONDS = 120
DRAIN_SECONDS = 600
LOOK_SECONDS = 0.01
NOBODY_CLAIMS_MS = 600_000
# Of the server since it started; the time is in ms.
STATUS = ("Innodb_row_lock_waits", "Innodb_row_lock_time", "Innodb_deadlocks")


class Drained(NamedTuple):
    """What was measured while the backlog was stored.

    `commands` are those to the database, in all; `waits` for locks of rows, and `waited_ms` for
    them, are of all its clients; `cores` is CPU time, of all processes of this measurement, by the
    clock's; `idle` as much, of all cores of the machine, that nobody used; `unmerged` how many
    events of the backlog were stored and not merged yet when the last of them was stored.
    """

    events: int
    seconds: float
    commands: int
    waits: int
    waited_ms: int
    deadlocks: int
    cores: float
    idle: float
    unmerged: int

    @property
    def rate(self) -> float:
        return self.events / self.seconds


@dataclass(frozen=True)
class Servers:
    """What all measurements use in turn."""

    valkey: ValkeyServer
    mariadb: MariaDbServer

    @contextmanager
    def empty(self) -> Iterator[str]:
        """An empty Redis, and the name of a database of its own, with tables."""
        with self.valkey.client() as client:
            client.flushall()
        url = self.mariadb.create_database()
        migrate(THIS, {"DATABASE_URL": url})
        try:
            yield url.rpartition("/")[2]
        finally:
            self.mariadb.drop_database(url)

    def fetch(self, statement: str) -> Any:
        with pymysql.connect(host="127.0.0.1", port=self.mariadb.port, user="root") as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()

    def status(self) -> list[int]:
        found = dict(self.fetch("SHOW GLOBAL STATUS LIKE 'Innodb_%'"))
        return [int(found[name]) for name in STATUS]


def drain(
    servers: Servers, payloads: Sequence[bytes], workers: int, batch: int, delay_ms: float
) -> Drained:
    """Let `workers` store the payloads, `batch` at a time. RuntimeError where one is not stored."""
    with servers.empty() as name, ExitStack() as stack:
        proxy = stack.enter_context(ProxyServer(servers.mariadb.port, delay_ms))
        queue = EventQueue(settings_of(servers, batch))
        stack.callback(queue.close)
        queue.redis.set(queue.halted, "", px=NOBODY_CLAIMS_MS)
        for first in range(0, len(payloads), PUSH):
            queue.push(list(payloads[first : first + PUSH]))
        periodic = stack.enter_context(program(servers, "worker.periodic", name, batch))
        crew = [
            stack.enter_context(program(servers, "worker", name, batch, proxy.port))
            for _ in range(workers)
        ]
        wait_until(lambda: queue.count_workers() == workers, START_SECONDS)
        drained = measure(servers, queue, [*crew, periodic, proxy], name, len(payloads))
        for worker in crew:
            worker.stop()
        return drained._replace(commands=proxy.commands())


def measure(
    servers: Servers, queue: EventQueue, programs: Sequence[Server], name: str, events: int
) -> Drained:
    """From the first claim until nothing waits and no batch is held."""
    working = [*programs, servers.valkey, servers.mariadb]
    queue.redis.delete(queue.halted)
    wait_until(lambda: queue.redis.zcard(queue.batches), START_SECONDS, LOOK_SECONDS)
    started, cpu, before = perf_counter(), cpu_seconds(*working), servers.status()
    unused = psutil.cpu_times().idle
    wait_until(lambda: is_drained(queue), DRAIN_SECONDS, LOOK_SECONDS)
    seconds, used = perf_counter() - started, cpu_seconds(*working) - cpu
    idle = (psutil.cpu_times().idle - unused) / seconds
    [[unmerged]] = servers.fetch(f"SELECT COALESCE(SUM(events), 0) FROM {name}.pending_counts")
    locks = [after - then for after, then in zip(servers.status(), before, strict=True)]
    [[stored]] = servers.fetch(f"SELECT COUNT(*) FROM {name}.events")
    if stored != events:
        raise RuntimeError(f"{stored} of {events} events stored")
    cores = used / seconds
    return Drained(events, seconds, 0, locks[0], locks[1], locks[2], cores, idle, int(unmerged))


def is_drained(queue: EventQueue) -> bool:
    with queue.redis.pipeline() as pipeline:
        pipeline.llen(queue.buffer)
        pipeline.zcard(queue.batches)
        return not any(pipeline.execute())


def settings_of(servers: Servers, batch: int) -> Settings:
    return Settings(redis_url=servers.valkey.url, batch_size=batch, max_backlog=10**9)


def program(
    servers: Servers, module: str, database: str, batch: int, port: int | None = None
) -> Program:
    """`port` is where it finds the database, if not at its own."""
    url = f"mysql://root@127.0.0.1:{port or servers.mariadb.port}/{database}"
    given = {
        "REDIS_URL": servers.valkey.url,
        "DATABASE_URL": url,
        "BATCH_SIZE": batch,
        "MAX_BATCH_SIZE": batch,
    }
    return Program(THIS, module, given)
