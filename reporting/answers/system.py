"""How the service, Redis and the database are doing, in numbers an operator looks at first."""

import time
from typing import Annotated

import psutil
import redis
from msgspec import Meta, Struct
from sqlalchemy import Engine

from reporting.answers.members import about, count
from reporting.route import NO_DATABASE, NO_REDIS, Example, Kept, Route, Sources
from shared.db.database import translated_errors
from shared.db.dialects import dialect_of
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue


class Memory(Struct):
    total: Annotated[int, count("All.")]
    available: Annotated[int, count("Not in use.")]


class Process(Struct):
    memory_bytes: Annotated[int, count("Resident, of the process that answers.")]


class RedisUse(Struct):
    keys: Annotated[int, count("In the database of `REDIS_URL`, whoever wrote them.")]
    memory_bytes: Annotated[int, count("In use.")]


class DatabaseUse(Struct):
    kind: Annotated[str, Meta(extra_json_schema={"enum": ["sqlite", "mariadb", "mysql"]})]
    size_bytes: Annotated[int, count("Its size, as the server knows it.")]
    log_bytes: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        about("Of SQLite's log besides, which grows while a reader keeps to what it saw first."),
    ]


class System(Struct):
    """The machine and the stores, in seconds, percent and bytes."""

    uptime_seconds: Annotated[float, about("Of this service.")]
    cpu_percent: Annotated[float, about("Of the machine.")]
    memory_bytes: Annotated[Memory, about("Of the machine.")]
    process: Process
    redis: RedisUse
    database: DatabaseUse


def fetch_system(sources: Sources, _now: int) -> System:
    """Raises Unavailable."""
    memory = psutil.virtual_memory()
    return System(
        round(time.monotonic() - sources.started_at, 3),
        psutil.cpu_percent(),
        Memory(memory.total, memory.available),
        Process(psutil.Process().memory_info().rss),
        fetch_redis(sources.queue),
        fetch_database(sources.status),
    )


def fetch_redis(queue: EventQueue) -> RedisUse:
    try:
        used = queue.redis.info("memory")["used_memory"]
        return RedisUse(queue.redis.dbsize(), used)
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {error}") from error


def fetch_database(engine: Engine) -> DatabaseUse:
    dialect = dialect_of(engine)
    with translated_errors(), engine.begin() as connection:
        size, log_size = dialect.fetch_size(connection), dialect.fetch_log_size(connection)
    return DatabaseUse(dialect.kind, size, log_size)


SMALL = System(
    uptime_seconds=86412.3,
    cpu_percent=3.1,
    memory_bytes=Memory(8589934592, 6120816640),
    process=Process(72351744),
    redis=RedisUse(9, 1204224),
    database=DatabaseUse("sqlite", 12713984, 4152992),
)
SYSTEM = Route(
    paths=("/system",),
    summary="Machine and stores",
    description="How long this service runs, and what it, Redis and the database take up.",
    answer=fetch_system,
    kept=Kept.UNSAID,
    is_status=True,
    examples=(Example("now", "A small installation", SMALL),),
    faults=(NO_DATABASE, NO_REDIS),
)
