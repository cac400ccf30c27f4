"""One seed: everything runs, clients post, faults happen; then it is counted what is left."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bench.chaos.faults import World, play
from bench.chaos.preloaded import Lies, PreloadedValkey
from bench.chaos.wire import Wire, to_port, to_socket
from shared.settings import Settings
from tests.counted import differences
from tests.poster import Poster
from tests.servers import PATIENCE_SECONDS, MariaDbServer
from tests.stack import Client, PeriodicProcess, Stack

CLIENTS = 4
SETTLE_SECONDS = 180.0
LEASE_SECONDS = 4
BATCH_EVENTS = 200
# One whom a read-only MariaDB refuses, as it does not root.
USER = "footfall"
TRACEBACK = "Traceback"
# Of the spool: full at once, full now and then, and as large as it is by itself.
SPOOLS = (0, 65_536, Settings().spool_max_bytes)


@dataclass(frozen=True)
class Plan:
    seed: int
    database: str
    server: str
    seconds: float

    def __str__(self) -> str:
        return f"--seed {self.seed} --database {self.database} --server {self.server}"


@dataclass
class Found:
    """What happened, and what is wrong."""

    played: list[str]
    accepted: int
    refused: int
    faults: list[str] = field(default_factory=list)


@contextmanager
def world_of(plan: Plan, directory: Path, mariadb: MariaDbServer | None) -> Iterator[World]:
    """Everything, started, with wires between."""
    with ExitStack() as stack:
        lies = Lies(directory)
        valkey = stack.enter_context(PreloadedValkey(lies))
        to_valkey = stack.enter_context(Wire(to_socket(f"{valkey.directory}/s")))
        settings = Settings(
            redis_url=f"redis://127.0.0.1:{to_valkey.port}/0",
            database_url=f"sqlite:///{directory}/footfall.db",
            batch_size=BATCH_EVENTS,
            lease_seconds=LEASE_SECONDS,
            spool_max_bytes=SPOOLS[plan.seed % len(SPOOLS)],
        )
        to_mariadb = None
        if mariadb is not None:
            url = mariadb.create_database()
            stack.callback(mariadb.drop_database, url)
            to_mariadb = stack.enter_context(Wire(to_port(mariadb.port)))
            through = urlsplit(url)._replace(netloc=f"{USER}@127.0.0.1:{to_mariadb.port}")
            mariadb.execute(f"CREATE USER IF NOT EXISTS {USER}@localhost")
            mariadb.execute(f"GRANT ALL ON {through.path[1:]}.* TO {USER}@localhost")
            settings = replace(settings, database_url=through.geturl())
        told = lies.environment
        running = stack.enter_context(Stack(settings, server=plan.server, environment=told))
        periodic = stack.enter_context(PeriodicProcess(settings, told))
        to_door = stack.enter_context(Wire(to_port(running.ingestion.port)))
        yield World(
            settings, running, periodic, valkey, to_valkey, to_door, lies, mariadb, to_mariadb
        )


def run(plan: Plan, directory: Path, mariadb: MariaDbServer | None) -> Found:
    """Post for so long while faults happen; then hold what was accepted against what is there."""
    with world_of(plan, directory, mariadb) as world:
        url = f"http://127.0.0.1:{world.to_door.port}"
        posters = [
            Poster(Client(url), f"{plan.seed}-{number}", keyed=True) for number in range(CLIENTS)
        ]
        for poster in posters:
            poster.start()
        try:
            played = play(world, plan.seed, plan.seconds)
        finally:
            for poster in posters:
                poster.done.set()
            for poster in posters:
                poster.join(PATIENCE_SECONDS)
                poster.client.connection.close()
        accepted = sorted(event_id for poster in posters for event_id in poster.accepted)
        refused = sum(poster.refused for poster in posters)
        found = Found(played, len(accepted), refused)
        found.faults += [wrong for poster in posters for wrong in poster.wrong]
        found.faults += [f"{p.label} never ended" for p in posters if p.is_alive()]
        found.faults += [
            f"{service.command()[-1]} ended by itself: {service.log()[-1500:]}"
            for service in (*world.stack.processes, world.periodic)
            if service.has_ended()
        ]
        found.faults += [] if found.faults else faults_in(world, accepted)
        return found


def faults_in(world: World, accepted: list[str]) -> list[str]:
    """What is not as it should be."""
    try:
        ledger = world.stack.settle(SETTLE_SECONDS)
    except (AssertionError, TimeoutError) as error:
        return [f"it never comes to rest: {error}; {world.stack.status()}"]
    faults = []
    stored = sorted(world.stack.stored_ids())
    if stored != accepted:
        missing, more = set(accepted) - set(stored), set(stored) - set(accepted)
        faults.append(
            f"{len(missing)} of {len(accepted)} are missing, {len(more)} were not accepted, "
            f"{len(stored) - len(set(stored))} are double: {sorted(missing | more)[:5]}"
        )
    if not ledger["balanced"] or ledger["dead"] or ledger["dropped"]:
        faults.append(f"the ledger: {ledger}")
    users = world.stack.stats(site_id="s", **at_any_time())
    if users["unique_users"] != len(accepted):
        faults.append(f"{users['unique_users']} users of {len(accepted)}")
    faults += differences(world.settings)
    logs = (process.log() for process in (*world.stack.processes, world.periodic))
    return faults + [f"logged: {around(log)}" for log in logs if TRACEBACK in log]


def at_any_time() -> dict[str, str]:
    """The days on which events may be, by a clock that was moved."""
    now = datetime.now(UTC)
    first, last = now - timedelta(days=2), now + timedelta(days=9)
    return {"from": first.date().isoformat(), "to": last.date().isoformat()}


def around(log: str) -> str:
    """The first traceback, with what stands before it."""
    place = log.index(TRACEBACK)
    return log[max(0, place - 300) : place + 3000]


def timed(plan: Plan, directory: Path, mariadb: MariaDbServer | None) -> str:
    """The line that tells how it went; it begins with what is wrong, if anything is."""
    began = time.monotonic()
    try:
        found = run(plan, directory, mariadb)
    except (AssertionError, RuntimeError) as error:  # of a server that does not come back
        return f"WRONG {plan}: {error}"
    told = (
        f"{plan}: {found.accepted} events, {found.refused} times 503, {len(found.played)} faults, "
        f"{time.monotonic() - began:.0f} s"
    )
    if not found.faults:
        return told
    return "\n  ".join([f"WRONG {told}", *found.faults, "played:", *found.played])
