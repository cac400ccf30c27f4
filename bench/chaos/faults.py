"""What goes wrong: each fault is done, lasts for a while, and is undone."""

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import pymysql
import redis

from bench.chaos.preloaded import Lies
from bench.chaos.wire import Wire
from shared.settings import Settings
from tests.servers import MariaDbServer, Server, ValkeyServer
from tests.stack import PeriodicProcess, Stack

# Of a fault, in seconds; freezing lasts up to half as long again as a lease.
SHORT, LONG = 0.05, 2.0
HOUR_SECONDS = 3600
WEEK_SECONDS = 7 * 24 * HOUR_SECONDS

STARTING = threading.Lock()
# Kept to the end: what a thread has started gets a SIGTERM when that thread is over.
HANDS = ThreadPoolExecutor(max_workers=2)


@dataclass
class World:
    """All there is to go wrong."""

    settings: Settings
    stack: Stack
    periodic: PeriodicProcess
    valkey: ValkeyServer
    to_valkey: Wire
    to_door: Wire
    lies: Lies
    mariadb: MariaDbServer | None
    to_mariadb: Wire | None


class Fault(NamedTuple):
    """`do` goes wrong and is right again; it is given how long it lasts, in seconds."""

    name: str
    do: Callable[[float], None]
    longest: float = LONG


def faults_of(world: World) -> list[Fault]:
    """Every fault that this world can have, always in the same order."""
    stack, lease = world.stack, world.settings.lease_seconds
    workers = [(f"worker {number}", worker) for number, worker in enumerate(stack.workers)]
    services: list[tuple[str, Server]] = [
        ("ingestion", stack.ingestion),
        *workers,
        ("periodic", world.periodic),
        ("reporting", stack.reporting),
    ]
    servers: list[tuple[str, Server]] = [("valkey", world.valkey)]
    wires = [("valkey", world.to_valkey)]
    if world.mariadb is not None and world.to_mariadb is not None:
        servers.append(("mariadb", world.mariadb))
        wires.append(("mariadb", world.to_mariadb))
    faults = [
        *(Fault(f"kill {name}", during(killed, one)) for name, one in services + servers),
        *(Fault(f"restart {name}", during(restarted, one)) for name, one in services),
        *(Fault(f"freeze {name}", during(frozen, one), 1.5 * lease) for name, one in services),
        *(Fault(f"freeze {name}", during(frozen, one)) for name, one in servers),
        *(Fault(f"cut {name}", cut(wire)) for name, wire in (*wires, ("the door", world.to_door))),
        *(Fault(f"half close {name}", half_close(wire)) for name, wire in wires),
        *(Fault(f"hold {name}", during(held, wire)) for name, wire in wires),
        *(Fault(f"shut {name}", during(shut, wire)) for name, wire in wires),
        Fault("valkey out of memory", during(out_of_memory, world.valkey)),
        Fault("valkey read-only", during(read_only, world.valkey)),
        Fault("clock a week ahead", during(world.lies.clock_moved, WEEK_SECONDS)),
        Fault("clock an hour behind", during(world.lies.clock_moved, -HOUR_SECONDS)),
        Fault("disk full", during(disk_full, world)),
    ]
    if world.mariadb is None:
        return [*faults, Fault("database locked", during(file_locked, world.settings))]
    return [
        *faults,
        Fault("mariadb read-only", during(writes_refused, world.mariadb)),
        Fault("mariadb locked", during(tables_locked, world.mariadb)),
        Fault("mariadb out of connections", during(out_of_connections, world.mariadb)),
    ]


def during(
    fault: Callable[..., contextlib.AbstractContextManager[None]], of: object
) -> Callable[[float], None]:
    def do(seconds: float) -> None:
        with fault(of):
            time.sleep(seconds)

    return do


@contextmanager
def killed(server: Server) -> Iterator[None]:
    server.kill()
    yield
    bring_back(server)


@contextmanager
def restarted(server: Server) -> Iterator[None]:
    server.stop()
    yield
    bring_back(server)


def bring_back(server: Server) -> None:
    """Of two faults of one server, whichever ends first does; the other finds it there."""
    with STARTING:
        server.revive()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    server.pause()
    yield
    server.resume()


def cut(wire: Wire) -> Callable[[float], None]:
    return lambda _: wire.cut()


def half_close(wire: Wire) -> Callable[[float], None]:
    return lambda _: wire.half_close()


@contextmanager
def held(wire: Wire) -> Iterator[None]:
    wire.hold()
    yield
    wire.heal()


@contextmanager
def shut(wire: Wire) -> Iterator[None]:
    wire.shut()
    yield
    wire.heal()


@contextmanager
def out_of_memory(valkey: ValkeyServer) -> Iterator[None]:
    with valkey.client() as client:
        client.config_set("maxmemory", "1mb")
        yield
        client.config_set("maxmemory", "0")


@contextmanager
def read_only(valkey: ValkeyServer) -> Iterator[None]:
    """It follows a primary that is not there: what it has, it keeps."""
    with valkey.client() as client:
        client.replicaof("127.0.0.1", "1")
        yield
        client.replicaof("NO", "ONE")


@contextmanager
def disk_full(world: World) -> Iterator[None]:
    """Not MariaDB's. Valkey ends where it can't write what it has to acknowledge."""
    with world.lies.disk_full():
        yield
    bring_back(world.valkey)


@contextmanager
def tables_locked(mariadb: MariaDbServer) -> Iterator[None]:
    with pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root") as connection:
        connection.cursor().execute("FLUSH TABLES WITH READ LOCK")
        yield
        connection.cursor().execute("UNLOCK TABLES")


@contextmanager
def writes_refused(mariadb: MariaDbServer) -> Iterator[None]:
    """As by a primary that is about to be replaced; the user must not be one who may anyway."""
    mariadb.execute("SET GLOBAL read_only = ON")
    yield
    mariadb.execute("SET GLOBAL read_only = OFF")


@contextmanager
def out_of_connections(mariadb: MariaDbServer) -> Iterator[None]:
    """All are taken, and none of those that are open stays."""
    mariadb.execute("SET GLOBAL max_connections = 10")
    held_open: list[pymysql.Connection[pymysql.cursors.Cursor]] = []
    with contextlib.suppress(pymysql.err.OperationalError):
        while len(held_open) < 12:
            held_open.append(pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root"))
    yield
    for connection in held_open:
        connection.close()
    mariadb.execute("SET GLOBAL max_connections = 151")


@contextmanager
def file_locked(settings: Settings) -> Iterator[None]:
    path = settings.database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()


def play(world: World, seed: int, seconds: float) -> list[str]:
    """Let faults happen as the seed says, one after the other or two at once; returns which, and
    ends with nothing wrong any more."""
    random_ = random.Random(seed)
    faults = faults_of(world)
    told: list[str] = []
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            time.sleep(random_.uniform(0.1, 0.8))
            chosen = random_.sample(faults, random_.choice([1, 1, 1, 2]))
            lasting = [random_.uniform(SHORT, fault.longest) for fault in chosen]
            both = zip(chosen, lasting, strict=True)
            told.append(" and ".join(f"{each.name} for {long:.1f} s" for each, long in both))
            list(HANDS.map(attempt, chosen, lasting))
    finally:
        heal(world)
    return told


def attempt(fault: Fault, seconds: float) -> None:
    """Of two at once, one may take away what the other needs."""
    with contextlib.suppress(redis.RedisError, pymysql.err.MySQLError, RuntimeError):
        fault.do(seconds)


def heal(world: World) -> None:
    """Undo what one fault has kept another from undoing."""
    for wire in (world.to_valkey, world.to_door, *filter(None, [world.to_mariadb])):
        wire.heal()
    world.valkey.revive()
    with world.valkey.client() as client:
        client.config_set("maxmemory", "0")
        client.replicaof("NO", "ONE")
    if world.mariadb is not None:
        world.mariadb.revive()
        world.mariadb.execute("SET GLOBAL max_connections = 151")
        world.mariadb.execute("SET GLOBAL read_only = OFF")
    for service in (*world.stack.processes, world.periodic):
        service.revive()
