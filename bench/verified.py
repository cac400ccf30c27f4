"""`python -m bench.verified`: how long the checks of a large database take while events arrive.

200 sites of very different size with 90 days behind them, on MariaDB with 1 GiB of buffer pool; 500
events a second arrive and are stored. `footfall verify` compares all of it, then the last days
alone; then the rollups of the largest site are rebuilt, which must be no slower than a worker is.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from bench.against.storing import Environment, Servers
from bench.against.versions import THIS
from bench.history import write_events
from bench.pipeline.loads import MARIADB, ONE, Case, measure_load
from bench.pipeline.quarter import SITES, quarter_of
from bench.pipeline.running import Pipeline
from bench.pipeline.traffic import Traffic, make_traffic, payloads, site_name
from bench.report import Bar, as_json, note, print_bars, save
from shared.clock import now_ms
from shared.db.database import make_engine, writing_engine
from shared.outcomes import Outcome
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import ROOT, MariaDbServer, ValkeyServer
from worker.batch.commit import count_outcomes
from worker.batch.insert import primary_key
from worker.counting.users import UserNumbers
from worker.stopping import StopFlag
from worker.upkeep.merging import Merger

EVENTS, PER_SECOND = 3_000_000, 500
STORED_EVENTS = 120_000
BUFFER_POOL = "1G"
WRITTEN_EVENTS = 100_000
LOOK_SECONDS = 0.2
MOST_MINUTES = 10
SINCE_DAYS = 1
# Of the segments of 90 days, which are made first.
BEGIN_SECONDS = 1800


class Checked(NamedTuple):
    """A command that ran to its end beside what arrived."""

    seconds: float
    arrived: int
    status: int
    told: str


def fill(url: str, traffic: Traffic) -> None:
    """As batches are stored, only larger ones, and merged; the ledger knows of them."""
    engine = writing_engine(Settings(database_url=url))
    migrate(engine)
    numbers, merger = UserNumbers(engine), Merger(engine, StopFlag())
    made = make_traffic(traffic)
    number = 0
    while some := sorted(islice(made, WRITTEN_EVENTS), key=primary_key):
        write_events(engine, numbers, f"{number}", some)
        merger.merge_all()
        number += len(some)
    with engine.begin() as connection:
        count_outcomes(connection, "fill", Counter({(Outcome.STORED, ""): number}))
    engine.dispose()


class Arriving:
    """Events of now that are put into the queue, so many a second, while something else runs."""

    def __init__(self, pipeline: Pipeline, per_second: int) -> None:
        self.pipeline, self.per_second = pipeline, per_second
        self.number = 0

    def run(self, environment: Environment, *arguments: str) -> Checked:
        """`python -m footfall ARGUMENTS`."""
        started, before = time.perf_counter(), self.number
        with subprocess.Popen(
            [sys.executable, "-m", "footfall", *arguments],
            cwd=ROOT,
            env=os.environ | {name: f"{value}" for name, value in environment.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as command:
            pushed = started
            while command.poll() is None:
                time.sleep(LOOK_SECONDS)
                now = time.perf_counter()
                self.push(now - pushed)
                pushed = now
            told = command.stdout.read() if command.stdout else ""
        seconds = time.perf_counter() - started
        self.pipeline.check()
        return Checked(seconds, self.number - before, command.returncode, told)

    def push(self, seconds: float) -> None:
        """What comes in so long."""
        span = round(1000 * seconds)
        traffic = Traffic(
            round(self.per_second * seconds), now_ms() - span, span, SITES, True, self.number
        )
        some = list(payloads(traffic))
        self.pipeline.queue.push(some)
        self.number += len(some)


def count_of_site(url: str, site_id: str) -> int:
    engine = make_engine(Settings(database_url=url))
    with engine.connect() as connection:
        sql = f"SELECT COUNT(*) FROM events WHERE site_id = '{site_id}'"
        found = connection.exec_driver_sql(sql).scalar()
    engine.dispose()
    return int(found or 0)


def measure(servers: Servers, events: int, per_second: int, stored: int) -> Iterator[Bar]:
    with servers.empty(MARIADB) as environment:
        url = str(environment["DATABASE_URL"])
        started = time.perf_counter()
        fill(url, quarter_of(events))
        note(f"{events:,} events in {time.perf_counter() - started:.0f} s")
        with Pipeline(THIS, servers, environment, patience_seconds=BEGIN_SECONDS) as pipeline:
            arriving = Arriving(pipeline, per_second)
            whole = arriving.run(environment, "verify")
            tell("verify", whole)
            yield Bar("verify, minutes", whole.seconds / 60, f"< {MOST_MINUTES}")
            yield Bar("verify, status", whole.status, "< 1")
            yield Bar("events that arrived meanwhile, a second", whole.arrived / whole.seconds, "")
            since = datetime.now(UTC).date() - timedelta(days=SINCE_DAYS)
            recent = arriving.run(environment, "verify", "--since", f"{since}")
            tell("verify --since", recent)
            yield Bar("verify --since yesterday, seconds", recent.seconds, "< 60")
            yield Bar("verify --since yesterday, status", recent.status, "< 1")
            site_id = site_name(0)
            rebuilt = arriving.run(environment, "rebuild-rollups", "--site", site_id)
            tell("rebuild-rollups", rebuilt)
            yield Bar("rebuild-rollups, status", rebuilt.status, "< 1")
            rate = count_of_site(url, site_id) / rebuilt.seconds
    worker = measure_load(servers, Case(ONE, THIS), stored).stored_per_second
    yield Bar("rebuild-rollups of the largest site, events/s", rate, "")
    yield Bar("a worker, events/s", worker, "")
    yield Bar("rebuild / worker", rate / worker, ">= 1")


def tell(name: str, checked: Checked) -> None:
    last = checked.told.strip().splitlines()[-1:] or [""]
    note(f"{name}: {checked.seconds:.0f} s, {checked.arrived:,} arrived: {last[0]}")


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.verified", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--per-second", type=int, default=PER_SECOND)
    arguments = parser.parse_args(given)
    if not MariaDbServer.is_installed():
        sys.exit(MariaDbServer.advice)
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer())
        mariadb = stack.enter_context(MariaDbServer(BUFFER_POOL))
        stored = min(STORED_EVENTS, arguments.events)
        bars = list(
            measure(Servers(valkey, mariadb), arguments.events, arguments.per_second, stored)
        )
    print_bars(bars)
    scale = quarter_of(arguments.events)
    save("verified", scale, figures=as_json(bars))
    return 0 if all(bar.is_met for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
