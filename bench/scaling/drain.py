"""One measurement: so many workers store a backlog that nobody adds to, through the proxy.

All of it waits in Redis, and all workers are there, before the first may claim any of it. The
periodic process merges meanwhile, straight in the database.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from time import perf_counter
from typing import NamedTuple

import psutil

from bench.against.programs import Program, cpu_seconds, migrate
from bench.against.storing import Servers
from bench.against.versions import THIS
from bench.scaling.proxy import ProxyServer
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.servers import MariaDbServer, Server, wait_until

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


def drain(
    servers: Servers, payloads: Sequence[bytes], workers: int, batch: int, delay_ms: float
) -> Drained:
    """Let `workers` store the payloads, `batch` at a time. RuntimeError where one is not stored."""
    with servers.empty("mariadb") as environment, ExitStack() as stack:
        migrate(THIS, environment)
        address = str(environment["DATABASE_URL"])
        proxy = stack.enter_context(ProxyServer(servers.mariadb.port, delay_ms))
        behind = address.replace(f":{servers.mariadb.port}/", f":{proxy.port}/")
        queue = EventQueue(Settings(redis_url=servers.valkey.url, max_backlog=10**9))
        stack.callback(queue.close)
        queue.redis.set(queue.halted, "", px=NOBODY_CLAIMS_MS)
        for first in range(0, len(payloads), PUSH):
            queue.push(list(payloads[first : first + PUSH]))
        environment |= {"BATCH_SIZE": batch, "MAX_BATCH_SIZE": batch}
        periodic = stack.enter_context(Program(THIS, "worker.periodic", environment))
        through_proxy = environment | {"DATABASE_URL": behind}
        crew = [stack.enter_context(Program(THIS, "worker", through_proxy)) for _ in range(workers)]
        wait_until(lambda: queue.count_workers() == workers, START_SECONDS)
        drained = measure(servers, queue, [*crew, periodic, proxy], address, len(payloads))
        for worker in crew:
            worker.stop()
        return drained._replace(commands=proxy.commands())


def measure(
    servers: Servers, queue: EventQueue, programs: Sequence[Server], address: str, events: int
) -> Drained:
    """From the first claim until nothing waits and no batch is held."""
    fetch, name = servers.mariadb.execute, address.rpartition("/")[2]
    working = [*programs, servers.valkey, servers.mariadb]
    queue.redis.delete(queue.halted)
    wait_until(lambda: queue.redis.zcard(queue.batches), START_SECONDS, LOOK_SECONDS)
    started, cpu, before = perf_counter(), cpu_seconds(*working), status_of(servers.mariadb)
    unused = psutil.cpu_times().idle
    wait_until(lambda: is_drained(queue), DRAIN_SECONDS, LOOK_SECONDS)
    seconds, used = perf_counter() - started, cpu_seconds(*working) - cpu
    idle = (psutil.cpu_times().idle - unused) / seconds
    [[unmerged]] = fetch(f"SELECT COALESCE(SUM(events), 0) FROM {name}.pending_counts")
    locks = [after - then for after, then in zip(status_of(servers.mariadb), before, strict=True)]
    [[stored]] = fetch(f"SELECT COUNT(*) FROM {name}.events")
    if stored != events:
        raise RuntimeError(f"{stored} of {events} events stored")
    cores = used / seconds
    return Drained(events, seconds, 0, locks[0], locks[1], locks[2], cores, idle, int(unmerged))


def is_drained(queue: EventQueue) -> bool:
    with queue.redis.pipeline() as pipeline:
        pipeline.llen(queue.buffer)
        pipeline.zcard(queue.batches)
        return not any(pipeline.execute())


def status_of(mariadb: MariaDbServer) -> list[int]:
    found = dict(mariadb.execute("SHOW GLOBAL STATUS LIKE 'Innodb_%'"))
    return [int(found[name]) for name in STATUS]
