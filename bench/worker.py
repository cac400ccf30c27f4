"""The worker draining a prepared backlog, against the database's own ways to take those rows."""

import csv
import random
import threading
import time
from operator import itemgetter
from pathlib import Path

from sqlalchemy import Engine, make_url

from shared.clock import now_ms
from shared.db.database import writing_engine
from shared.db.tables import events, metadata
from shared.event import Event, encode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.migration import migrate
from worker.batch.insert import PLACES, insert_sql, row_from
from worker.enrich.bots import rule_from
from worker.run.drain import Runtime, drain
from worker.stopping import StopFlag

PUSH = 1000
USERS = 20_000
SITES = 3
# Ten thousand a second: in fewer seconds, the users would be bursts.
EVENTS_PER_MS = 10
COLUMN_NAMES = tuple(column.name for column in events.columns)
in_column_order = itemgetter(*(PLACES[name] for name in COLUMN_NAMES))
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6) AppleWebKit/605.1.15 Version/18.6 Safari/604.1",
)


def make_events(seed: int, events: int) -> list[Event]:
    """Page views as a website sends them: a path, a user, a referrer, an agent, a country."""
    random_ = random.Random(seed)
    now = now_ms()
    return [
        Event(
            site_id=f"site-{number % SITES}",
            timestamp=now + number // EVENTS_PER_MS,
            event_id=f"{random_.getrandbits(64):x}-{number:x}",
            event_type="page_view",
            received_at=now,
            path=f"/page/{int(random_.paretovariate(1.2))}",
            user_id=f"user-{random_.randrange(USERS)}",
            referrer="https://example.org/news",
            user_agent=random_.choice(AGENTS),
            country="DE",
        )
        for number in range(events)
    ]


def measure_drain(settings: Settings, made: list[Event]) -> float:
    """Events a second from a backlog in Redis to committed rows, through the worker's own loop."""
    queue = EventQueue(settings)
    queue.redis.flushall()
    for first in range(0, len(made), PUSH):
        queue.push([encode_event(event) for event in made[first : first + PUSH]])
    engine = emptied(settings)
    runtime = Runtime(queue, engine, StopFlag(), rule_from(settings))
    started = time.perf_counter()
    watcher = threading.Thread(target=stop_when_drained, args=(runtime,))
    watcher.start()
    drain(runtime)
    watcher.join()
    elapsed = time.perf_counter() - started
    stored = count(engine)
    queue.redis.close()
    engine.dispose()
    if stored != len(made):
        raise RuntimeError(f"{stored} of {len(made)} events stored")
    return len(made) / elapsed


def stop_when_drained(runtime: Runtime) -> None:
    """A job lingers for stragglers; the clock should not run for that."""
    while True:
        backlog = runtime.queue.snapshot()
        if backlog.queued == 0 and backlog.processing == 0:
            runtime.stopping.set()
            return
        time.sleep(0.005)


def measure_executemany(settings: Settings, made: list[Event]) -> float:
    """The same rows by `executemany`, all columns, in transactions of the same size."""
    engine = emptied(settings)
    rows = [in_column_order(row_from(event)) for event in made]
    statement = insert_sql(engine.dialect, COLUMN_NAMES)
    started = time.perf_counter()
    for first in range(0, len(rows), settings.batch_size):
        with engine.begin() as connection:
            connection.exec_driver_sql(statement, rows[first : first + settings.batch_size])
    elapsed = time.perf_counter() - started
    engine.dispose()
    return len(rows) / elapsed


def measure_load_data(settings: Settings, made: list[Event], directory: Path) -> float:
    """The same rows by LOAD DATA LOCAL INFILE, from a file written beforehand."""
    import pymysql

    emptied(settings).dispose()
    path = directory / "rows.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        for event in made:
            writer.writerow(
                "\\N" if value is None else value for value in in_column_order(row_from(event))
            )
    url = make_url(settings.database_address)
    with pymysql.connect(
        host=url.host or "",
        port=url.port or 0,
        user=url.username,
        database=url.database,
        local_infile=True,
        autocommit=True,
        charset="utf8mb4",
    ) as connection:
        statement = "LOAD DATA LOCAL INFILE %s INTO TABLE events CHARACTER SET utf8mb4"
        started = time.perf_counter()
        connection.cursor().execute(statement, (str(path),))
        elapsed = time.perf_counter() - started
    return len(made) / elapsed


def emptied(settings: Settings) -> Engine:
    """The database with its tables, and nothing in them."""
    engine = writing_engine(settings)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    migrate(engine)
    return engine


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM events").scalar() or 0)
