"""`python -m bench.batches`: what an event costs the worker, merging and the database, in CPU time.

Batches are stored and merged by the functions that do so, in one process, on MariaDB or SQLite: so
the figures leave out Redis and RQ, and do not depend on what else the machine does. On one site, on
200 of very different size, and on 5,000; each with callers' ids and without.
"""

import argparse
import random
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from bench.against.programs import cpu_seconds
from bench.history import AGENTS, COUNTRIES, REFERRERS
from bench.report import note
from shared.clock import HOUR_MS, now_ms
from shared.db.database import writing_engine
from shared.event import PAGE_VIEW, Event, encode_event
from shared.process import collect_seldom
from shared.queue.event_queue import Batch
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import MariaDbServer
from worker.batch.commit import commit_batch
from worker.counting.users import UserNumbers
from worker.enrich.bots import rule_from
from worker.stopping import StopFlag
from worker.upkeep.merging import Merger

# Of a site's users, how many come back.
RETURNING = 0.3
VIEWS = 0.9
TOTAL = "{:<34}{:>10}{:>10}{:>10}{:>10}{:>10}"


@dataclass(frozen=True)
class Traffic:
    """So many events of the last hour, in order of time, on sites of which the n-th has an n-th of
    the first one's."""

    sites: int
    events: int = 100_000
    batch: int = 10_000
    has_caller_ids: bool = False


class Cost(NamedTuple):
    """CPU seconds of this process and of the database, and how long it took."""

    worker: float
    database: float
    elapsed: float

    def since(self, before: "Cost") -> "Cost":
        return Cost(*(now - then for now, then in zip(self, before, strict=True)))


def make_batches(traffic: Traffic, seed: int = 1) -> Iterator[Batch]:
    random_ = random.Random(seed)
    weights = [1 / (number + 1) for number in range(traffic.sites)]
    sites = random_.choices(range(traffic.sites), weights, k=traffic.events)
    start = now_ms() - HOUR_MS
    payloads: list[bytes] = []
    users: list[str] = []
    for number, site in enumerate(sites):
        is_new = not users or random_.random() >= RETURNING
        if is_new:
            users.append(made_id(random_))
        moment = start + number * HOUR_MS // traffic.events
        payloads.append(
            encode_event(
                Event(
                    f"site-{site}.example",
                    moment,
                    made_id(random_),
                    PAGE_VIEW if random_.random() < VIEWS else "click",
                    moment,
                    has_caller_id=traffic.has_caller_ids,
                    path=f"/page/{int(random_.paretovariate(1.1))}",
                    user_id=users[-1] if is_new else random_.choice(users),
                    referrer=random_.choice(REFERRERS),
                    user_agent=random_.choice(AGENTS),
                    country=random_.choice(COUNTRIES),
                )
            )
        )
        if len(payloads) == traffic.batch or number == traffic.events - 1:
            yield Batch(made_id(random_).replace("-", ""), payloads)
            payloads = []


def made_id(random_: random.Random) -> str:
    return str(uuid.UUID(int=random_.getrandbits(128)))


def measure(
    settings: Settings, server: MariaDbServer | None, traffic: Traffic
) -> tuple[Cost, Cost]:
    """What storing them costs, and what merging them then does."""

    def cost() -> Cost:
        database = 0.0 if server is None else cpu_seconds(server)
        return Cost(time.process_time(), database, time.perf_counter())

    engine = writing_engine(settings)
    migrate(engine)
    rule, numbers = rule_from(settings), UserNumbers(engine)
    batches = list(make_batches(traffic))
    began = cost()
    for batch in batches:
        commit_batch(engine, batch, now_ms(), rule, numbers)
    stored = cost()
    check(Merger(engine, StopFlag()).merge_all(), traffic, engine)
    merged = cost()
    engine.dispose()
    return stored.since(began), merged.since(stored)


def check(merged: int, traffic: Traffic, engine: Engine) -> None:
    if merged != traffic.events:
        raise RuntimeError(f"{merged} of {traffic.events} events merged on {engine.url}")


@contextmanager
def databases(is_file: bool) -> Iterator[tuple[Settings, MariaDbServer | None]]:
    """An empty database."""
    with tempfile.TemporaryDirectory(prefix="ff-bench-") as path:
        settings = Settings(data_dir=Path(path))
        if is_file:
            yield settings, None
            return
        with MariaDbServer(buffer_pool="1G") as server:
            yield replace(settings, database_url=server.create_database()), server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sqlite", action="store_true", help="a file instead of MariaDB")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=10_000, help="events of a batch")
    arguments = parser.parse_args()
    collect_seldom()
    heads = ("stored:", "database", "merged:", "database", "together")
    print(TOTAL.format("CPU, µs an event", *heads))
    for sites in (1, 200, 5000):
        for has_caller_ids in (False, True):
            traffic = Traffic(sites, arguments.events, arguments.batch, has_caller_ids)
            note(f"{traffic}")
            with databases(arguments.sqlite) as (settings, server):
                stored, merged = measure(settings, server, traffic)
            parts = [stored.worker, stored.database, merged.worker, merged.database]
            figures = [f"{1e6 * part / traffic.events:.1f}" for part in (*parts, sum(parts))]
            name = f"{sites} sites{', ids of callers' if has_caller_ids else ''}"
            print(TOTAL.format(name, *figures))


if __name__ == "__main__":
    main()
