"""How the service, Redis and the database are doing, in numbers an operator looks at first."""

import time
from typing import Any

import psutil
import redis
from sqlalchemy import Engine

from shared.db.database import translated_errors
from shared.db.dialects import dialect_of
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue


class SystemReport:
    """Answers /system; remembers when the service started."""

    def __init__(self, engine: Engine, queue: EventQueue) -> None:
        self.engine = engine
        self.queue = queue
        self.process = psutil.Process()
        self.started_at = time.monotonic()
        psutil.cpu_percent()  # the first call only sets the point the next one measures from

    def fetch(self) -> dict[str, Any]:
        """The answer of /system. Raises Unavailable."""
        memory = psutil.virtual_memory()
        return {
            "uptime_seconds": round(time.monotonic() - self.started_at, 3),
            "cpu_percent": psutil.cpu_percent(),
            "memory_bytes": {"total": memory.total, "available": memory.available},
            "process": {"memory_bytes": self.process.memory_info().rss},
            "redis": self.fetch_redis(),
            "database": self.fetch_database(),
        }

    def fetch_redis(self) -> dict[str, int]:
        try:
            used = self.queue.redis.info("memory")["used_memory"]
            return {"keys": self.queue.redis.dbsize(), "memory_bytes": used}
        except redis.RedisError as error:
            raise Unavailable("queue_unavailable", f"{self.queue.address}: {error}") from error

    def fetch_database(self) -> dict[str, Any]:
        dialect = dialect_of(self.engine)
        with translated_errors(), self.engine.begin() as connection:
            size = dialect.fetch_size(connection)
        return {"kind": dialect.kind, "size_bytes": size}
