"""An upgrade as operators do it: workers of both versions on one Redis and one database.

An earlier version creates and fills the database. It is migrated while that version goes on to
take, to store and to answer; the migration is killed in its middle, and run again. Then this
version's processes take the places of the earlier ones in the order that the documents give:
reporting, the periodic process, workers, ingestion. The workers of both store side by side, and one
process after another is killed. No client may see an error but to come again later.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, func, select

from bench.against.programs import Program, migrate
from bench.against.storing import BATCHES, BUFFER, LOOK_SECONDS, Environment, Servers
from bench.against.versions import THIS, Version
from bench.upgrade.checks import faults_of, is_at_rest
from bench.upgrade.front import Front
from bench.upgrade.traffic import SITES, Posted, Traffic, make_traffic
from footfall.migrate import migrate as migrate_here
from reporting.app import create_app
from shared.clock import now_ms
from shared.db.database import reading_engine
from shared.db.tables import events, pending_counts, recent_users
from shared.settings import Settings
from tests.servers import wait_until

# The last commit whose batches raised the rollups themselves, and the last one that counted each
# day in full; and a table that the migration of each creates in its middle.
BEFORE_APPENDING, BEFORE_SPARSE = "3487c08", "43558f3"
KILLED_AT = {BEFORE_APPENDING: "site_locks", BEFORE_SPARSE: "sparse_days"}
LAST_TABLE = "batch_receipts"
# Of the events: what the earlier version stores by itself, and while the database is migrated.
ALONE, MIGRATING = 0.2, 0.3
POST_EVENTS = 100
BATCH_EVENTS = 200
# Posted at a time, and the pause behind them, while ingestion is being replaced.
SLOW_EVENTS, SLOW_SECONDS = 20, 0.2
# On a busy machine a worker that is killed every few seconds may never come to work.
KILLING_SECONDS = 60
REST_SECONDS = 300
FIRST_DATE, LAST_DATE = "2020-01-01", "2029-12-31"
STORED = "DEBUG worker.run.drain: stored "
# Dies in the middle of the migration as by `kill -9`.
KILLED_MIGRATION = """
import os, signal, sys
from sqlalchemy import Engine, event

@event.listens_for(Engine, "after_cursor_execute")
def look(_connection, _cursor, statement, *_):
    if f"CREATE TABLE {table} " in statement:
        os.kill(os.getpid(), signal.SIGKILL)

table = sys.argv[1]
sys.argv[1:] = ["migrate"]
import footfall.__main__
footfall.__main__.main()
"""


@dataclass(frozen=True)
class Plan:
    """How many events; and the most seconds between two kills, or 0: then both workers are killed
    once, and what they held is given back as if its lease were over."""

    events: int
    seed: int = 1
    kill_seconds: float = 0.0


@dataclass(frozen=True)
class Found:
    """What is wrong, and how many batches each worker stored, killed ones too."""

    faults: list[str]
    earlier_batches: int
    batches: int
    kills: int


class Upgrade:
    """The processes of both versions."""

    def __init__(
        self, servers: Servers, environment: Environment, earlier: Version, plan: Plan
    ) -> None:
        self.servers, self.plan = servers, plan
        self.settings = Settings(
            redis_url=str(environment["REDIS_URL"]), database_url=str(environment["DATABASE_URL"])
        )
        self.environment = environment | {
            "BATCH_SIZE": BATCH_EVENTS,
            "MAX_BATCH_SIZE": BATCH_EVENTS,
            "LOG_LEVEL": "debug",
        }
        self.earlier = earlier
        self.door, self.reporting = (
            Front(
                Program(earlier, module, self.environment), Program(THIS, module, self.environment)
            )
            for module in ("ingestion", "reporting")
        )
        self.old = Program(earlier, "worker", self.environment)
        self.new = Program(THIS, "worker", self.environment)
        self.periodic = Program(THIS, "worker.periodic", self.environment)
        self.reader, self.app = reading_engine(self.settings), create_app(self.settings)
        self.random = random.Random(plan.seed)
        self.is_half_posted, self.is_replaced = threading.Event(), threading.Event()
        self.is_over, self.is_answered = threading.Event(), threading.Event()
        self.kills = 0
        self.faults: list[str] = []

    def run(self) -> Found:
        traffic = make_traffic(self.plan.events, self.plan.seed, now_ms())
        with ExitStack() as stack:
            stack.callback(self.reader.dispose)
            stack.callback(self.app.close)
            fronts = (self.door, self.reporting)
            doubles = [program for front in fronts for program in (front.old, front.new)]
            for program in (*doubles, self.old, self.new, self.periodic):
                stack.callback(program.close)
            migrate(self.earlier, self.environment)
            for program in (self.old, *(front.old for front in fronts)):
                program.start()
            self.post(traffic)
            # What batches of the earlier version left may wait for ten seconds; answers add it.
            tables = (pending_counts, *((recent_users,) if self.plan.kill_seconds else ()))
            asking = self.app.test_client()
            wait_until(lambda: is_at_rest(self.reader, asking, tables), REST_SECONDS, 0.2)
            resent = POST_EVENTS * self.door.unanswered
            faults = self.faults + [fault for front in fronts for fault in front.faults]
            faults += faults_of(self.settings, asking, traffic, resent)
            earlier_batches, batches = (w.log().count(STORED) for w in (self.old, self.new))
            return Found(faults, earlier_batches, batches, self.kills)

    def post(self, traffic: Traffic) -> None:
        number = len(traffic.posted)
        parts = cut(traffic.posted, (int(ALONE * number), int((ALONE + MIGRATING) * number)))
        self.post_some(parts[0])
        with meanwhile(self.keep_asking):
            try:
                with meanwhile(lambda: self.post_some(parts[1])):
                    self.migrate()
                    self.reporting.replace()
                    self.periodic.start()
                    self.new.start()
                    wait_until(lambda: "working on" in self.new.log())
                self.post_beside(parts[2])
            finally:
                self.is_answered.set()

    def post_beside(self, posted: Sequence[Posted]) -> None:
        """While workers of both versions store."""
        halves = cut(posted, (len(posted) // 2,))
        if self.plan.kill_seconds:
            with meanwhile(lambda: self.post_to_the_end(halves)):
                self.keep_killing()
        else:
            with meanwhile(lambda: self.post_some(halves[0])):
                self.kill_both()
            with meanwhile(lambda: self.post_to_both(halves[1])):
                self.replace_door()

    def post_some(self, posted: Sequence[Posted]) -> None:
        for first in range(0, len(posted), POST_EVENTS):
            some = list(posted[first : first + POST_EVENTS])
            status, answer = self.door.request("POST", "/events", some)
            if status != 202 or answer["rejected"]:
                raise RuntimeError(f"POST /events: {status} {answer}")

    def post_to_both(self, posted: Sequence[Posted]) -> None:
        """The first of them without haste, until ingestion is replaced; the last of them after."""
        first, last = cut(posted, (len(posted) // 2,))
        for start in range(0, len(first), SLOW_EVENTS):
            self.post_some(first[start : start + SLOW_EVENTS])
            self.is_replaced.wait(SLOW_SECONDS)
        if not self.is_replaced.wait(REST_SECONDS):
            raise RuntimeError("ingestion was not replaced")
        self.post_some(last)

    def replace_door(self) -> None:
        """Once."""
        if not self.is_replaced.is_set():
            self.door.replace()
            self.is_replaced.set()

    def post_to_the_end(self, halves: Sequence[Sequence[Posted]]) -> None:
        """Until nothing waits any more."""
        try:
            self.post_some(halves[0])
            self.is_half_posted.set()
            self.post_to_both(halves[1])
            wait_until(self.is_drained, REST_SECONDS)
        finally:
            self.is_over.set()

    def migrate(self) -> None:
        table = KILLED_AT.get(self.earlier.name, LAST_TABLE)
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_MIGRATION, table],
            cwd=THIS.tree,
            env=self.new.environment(),
            check=False,
        )
        if killed.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the migration was not killed: {killed.returncode}")
        migrate_here(self.settings)

    def keep_killing(self) -> None:
        """In this thread: what a thread has started ends with it."""
        victims = (self.old, self.new, self.periodic)
        deadline = time.monotonic() + KILLING_SECONDS
        while not self.is_over.wait(self.random.uniform(0, self.plan.kill_seconds)):
            if time.monotonic() > deadline:
                break
            if self.is_half_posted.is_set():
                self.replace_door()
            victim = self.random.choice(victims)
            victim.kill()
            self.kills += 1
            self.is_over.wait(self.random.uniform(0, 1))
            victim.start()
        self.replace_door()

    def kill_both(self) -> None:
        """Stopped first, so that both are killed at one moment, and one holds a batch."""
        with self.servers.valkey.client() as client:
            wait_until(lambda: client.zcard(BATCHES), every=LOOK_SECONDS)
        for worker in (self.old, self.new):
            worker.pause()
        for worker in (self.old, self.new):
            worker.kill()
            self.kills += 1
        with self.servers.valkey.client() as client:
            for batch_id in client.zrange(BATCHES, 0, -1):
                client.zadd(BATCHES, {batch_id: 0})
        for worker in (self.old, self.new):
            worker.start()

    def keep_asking(self) -> None:
        """Whatever is told at any moment is what was stored before it, or after, or between."""
        while not self.is_answered.wait(0.3):
            for site_id in SITES:
                asked = f"/stats?site_id={site_id}&from={FIRST_DATE}&to={LAST_DATE}"
                before = count_stored(self.reader, site_id)
                answer: Any = self.reporting.get(asked)
                after = count_stored(self.reader, site_id)
                if not before <= answer.get("total_events", -1) <= after:
                    self.faults.append(f"{site_id}: {before} to {after} are stored, told {answer}")

    def is_drained(self) -> bool:
        with self.servers.valkey.client() as client:
            return not client.llen(BUFFER) and not client.zcard(BATCHES)


def count_stored(reader: Engine, site_id: str) -> int:
    of_site = select(func.count()).select_from(events).where(events.c.site_id == site_id)
    with reader.begin() as connection:
        return connection.scalar(of_site) or 0


def cut(posted: Sequence[Posted], places: Sequence[int]) -> list[Sequence[Posted]]:
    starts = [0, *places]
    return [posted[start:end] for start, end in zip(starts, [*places, len(posted)], strict=True)]


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Something else at once, in a thread; the block ends when both have, with either's error."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again by the block
            errors.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if errors:
        raise errors[0]
