"""The whole of Footfall as real processes: a door, workers and reporting, and a client for them."""

import http.client
import json
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from sqlalchemy import create_engine, make_url

from shared.db.database import writing_engine
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import ServiceProcess, wait_until

SETTLE_SECONDS = 60
NOTHING: Mapping[str, str] = MappingProxyType({})


class WorkerProcess(ServiceProcess):
    """An event worker; it has no port to ask, so its log says when it works."""

    def is_ready(self) -> bool:
        return "working on" in self.log()


class PeriodicProcess(ServiceProcess):
    """Merges, and what else is done from time to time; nothing tells that it is ready."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = NOTHING) -> None:
        addresses = {"REDIS_URL": settings.redis_url, "DATABASE_URL": settings.database_url}
        super().__init__("worker.periodic", {**addresses, **environment})

    def is_ready(self) -> bool:
        return True


class Client:
    """A client that keeps its connection and says what it got."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        """Status and body of one answer; connection errors pass."""
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self.connection.close()
            raise

    def post(self, body: Any, path: str = "/event", **headers: str) -> Any:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer = self.request("POST", path, encoded, headers)
        return status, json.loads(answer)

    def get(self, path: str, **parameters: object) -> Any:
        """Asked once more on a new connection where the one that was kept has been idle for so long
        that the service closed it."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        try:
            status, answer = self.request("GET", path + query, None, {})
        except http.client.RemoteDisconnected:
            status, answer = self.request("GET", path + query, None, {})
        return status, json.loads(answer)


class Stack:
    """Ingestion, `workers` workers and reporting on one Redis and one migrated database.

    `environment` is what they are given besides their settings.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        server: str = "granian",
        workers: int = 2,
        environment: Mapping[str, str] = NOTHING,
    ) -> None:
        self.settings = settings
        shared = {
            "REDIS_URL": settings.redis_url,
            "DATABASE_URL": settings.database_url,
            "BATCH_SIZE": settings.batch_size,
            "LEASE_SECONDS": settings.lease_seconds,
            "MAX_BACKLOG": settings.max_backlog,
            "SPOOL_MAX_BYTES": settings.spool_max_bytes,
            "DEFAULT_SITE_ID": settings.default_site_id,
            "BOT_BURST_LIMIT": settings.bot_burst_limit,
            "DROP_BOTS": settings.drop_bots,
            **environment,
        }
        self.ingestion = ServiceProcess("ingestion", shared | {"INGESTION_SERVER": server})
        reporting = {
            "PUBLIC_INGESTION_URL": self.ingestion.url,
            "API_AUTH": settings.api_auth,
            "REPORTING_DATABASE_URL": settings.reporting_database_url,
        }
        self.reporting = ServiceProcess("reporting", {**shared, **reporting, **environment})
        self.workers = [WorkerProcess("worker", shared) for _ in range(workers)]
        self.clients = [Client(self.reporting.url)]

    @property
    def processes(self) -> list[ServiceProcess]:
        return [self.ingestion, *self.workers, self.reporting]

    def door(self) -> Client:
        """A new client of ingestion; each thread needs its own."""
        self.clients.append(Client(self.ingestion.url))
        return self.clients[-1]

    def reports(self) -> Client:
        """The client of reporting."""
        return self.clients[0]

    def stats(self, **parameters: object) -> Any:
        status, answer = self.reports().get("/stats", **parameters)
        assert status == 200, answer
        return answer

    def status(self) -> Any:
        return self.reports().get("/pipeline/status")[1]

    def settle(self, seconds: float = SETTLE_SECONDS) -> Any:
        """Wait until nothing waits, neither in the spool nor in Redis; the ledger then."""
        wait_until(self.is_settled, seconds)
        return self.status()

    def is_settled(self) -> bool:
        time.sleep(0.1)
        if self.ingestion.spooled_files():  # first, for what leaves it comes to Redis
            return False
        status = self.status()
        return not any(status.get(name, 1) for name in ("spooled", "queued", "processing"))

    def stored_ids(self) -> list[str]:
        """The ids of all stored events, read past our own code."""
        url = make_url(self.settings.database_url)
        if url.get_backend_name() == "mysql":
            url = url.set(drivername="mysql+pymysql")
        engine = create_engine(url)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT event_id FROM events").all()
        engine.dispose()
        # A server without a collation that is exact keeps text as bytes.
        return [found.decode() if isinstance(found, bytes) else found for (found,) in rows]

    def __enter__(self) -> Self:
        engine = writing_engine(self.settings)
        migrate(engine)
        engine.dispose()
        try:
            for process in self.processes:
                process.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for client in self.clients:
            client.connection.close()
        for process in self.processes:
            process.close()


def tracebacks(processes: Iterable[ServiceProcess]) -> str:
    """Whatever the processes logged that looks like a bug."""
    return "\n".join(p.log() for p in processes if "Traceback" in p.log())
