"""Whatever ails Redis or ingestion: what was answered 202 is in Redis in the end, and once."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

import pytest

from shared.queue.event_queue import EventQueue
from tests.ingestion.test_servers import SERVERS, start
from tests.ingestion.wsgi import ONE, queued
from tests.servers import ServiceProcess, ValkeyServer, free_port, wait_until


class Poster(threading.Thread):
    """Posts events with ids of its own, and repeats all that was not answered 202."""

    def __init__(self, service: ServiceProcess, label: str) -> None:
        super().__init__(daemon=True)
        self.service = service
        self.label = label
        self.ids: list[str] = []
        self.repeated: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            first = len(self.ids)
            ids = [f"{self.label}-{n}" for n in range(first, first + 1 + first % 7)]
            self.ids += ids
            while not self.is_taken(ids):
                self.repeated.update(ids)
                time.sleep(0.02)
            time.sleep(0.002)

    def is_taken(self, ids: list[str]) -> bool:
        try:
            status, _ = post(self.service, [{**ONE, "event_id": each} for each in ids])
        except (OSError, HTTPException):
            return False
        self.statuses[status] += 1
        return status == 202


def post(service: ServiceProcess, body: object, path: str = "/event") -> tuple[int, str]:
    return fetch(service, "POST", path, json.dumps(body).encode())


def fetch(
    service: ServiceProcess, method: str, path: str, body: bytes | None = None
) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request(method, path, body, {"User-Agent": "Browser/1"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextmanager
def posting(*services: ServiceProcess) -> Iterator[list[Poster]]:
    """Two clients of each service, which post until the block ends and have an answer then."""
    posters = [Poster(service, f"{n}-{m}") for n, service in enumerate(services) for m in (0, 1)]
    for poster in posters:
        poster.start()
    try:
        yield posters
    finally:
        for poster in posters:
            poster.done.set()
    for poster in posters:
        poster.join(60)
        assert not poster.is_alive()


def spooled(*services: ServiceProcess) -> list[str]:
    return [str(path) for service in services for path in service.spooled_files()]


def is_each_there_once(queue: EventQueue, posters: list[Poster]) -> None:
    """Nothing is missing; and there twice is only what a client sent twice."""
    found = Counter(event.event_id for event in queued(queue))
    assert found.keys() == {each for poster in posters for each in poster.ids}
    repeated = {each for poster in posters for each in poster.repeated}
    assert {each for each, times in found.items() if times > 1} <= repeated
    assert queue.snapshot().accepted == found.total()


@pytest.fixture(scope="module", params=SERVERS)
def service(request: pytest.FixtureRequest, valkey_server: ValkeyServer) -> Iterator[Any]:
    with start(request.param, valkey_server.url) as service:
        yield service


@contextmanager
def paused(valkey: ValkeyServer) -> Iterator[None]:
    valkey.pause()
    yield
    valkey.resume()


@contextmanager
def killed(valkey: ValkeyServer) -> Iterator[None]:
    valkey.kill()
    yield
    valkey.start()


@contextmanager
def full(valkey: ValkeyServer) -> Iterator[None]:
    with valkey.client() as admin:
        admin.config_set("maxmemory", 1)
        yield
        admin.config_set("maxmemory", 0)


@contextmanager
def demoted(valkey: ValkeyServer) -> Iterator[None]:
    with valkey.client() as admin:
        admin.replicaof("127.0.0.1", str(free_port()))
        yield
        admin.replicaof("NO", "ONE")


@contextmanager
def locked(valkey: ValkeyServer) -> Iterator[None]:
    """It asks for a password that nobody has."""
    with valkey.client() as admin:
        admin.config_set("requirepass", "unknown")
        admin.client_kill_filter(_type="normal", skipme=True)
        yield
        admin.config_set("requirepass", "")


@pytest.mark.parametrize("fault", [paused, killed, full, demoted, locked])
def test_each_event_is_in_redis_once_after_an_outage(
    service: ServiceProcess, valkey: ValkeyServer, queue: EventQueue, fault: Callable[..., Any]
) -> None:
    with posting(service) as posters:
        time.sleep(0.2)
        with fault(valkey):
            wait_until(lambda: spooled(service))
            time.sleep(0.6)
            status, ready = fetch(service, "GET", "/ready")
            assert (status, "spool" in ready) == (200, True), ready
        time.sleep(0.3)
    wait_until(lambda: not spooled(service))
    is_each_there_once(queue, posters)
    assert all(poster.statuses.keys() == {202} for poster in posters)
    wait_until(lambda: "spool" not in fetch(service, "GET", "/ready")[1])
    wait_until(lambda: not queue.snapshot().spools)


@pytest.mark.parametrize("server", SERVERS)
def test_a_spool_outlives_two_kills_of_ingestion(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    with start(server, valkey.url) as service, posting(service) as posters:
        wait_until(lambda: len(posters[0].ids) > 10)
        valkey.kill()
        for _ in range(2):
            wait_until(lambda: spooled(service))
            time.sleep(0.2)
            service.kill()
            assert spooled(service)
            service.start()
        valkey.start()
        wait_until(lambda: not spooled(service))
        service.kill()
        service.start()
        for poster in posters:
            poster.done.set()
        for poster in posters:
            poster.join(60)
        wait_until(lambda: not spooled(service))
        is_each_there_once(queue, posters)
        assert "Traceback" not in service.log()


@pytest.mark.parametrize("server", SERVERS)
def test_processes_of_one_directory_replay_what_one_of_them_left(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    with start(server, valkey.url, INGESTION_PROCESSES=2) as service:
        shared = {"DATA_DIR": str(service.directory)}
        with start(server, valkey.url, **shared) as other, posting(service, other) as posters:
            wait_until(lambda: len(posters[0].ids) > 10)
            valkey.kill()
            time.sleep(0.7)
            assert len({path.rsplit("/", 2)[1] for path in spooled(service)}) >= 2
            other.kill()
            valkey.start()
            time.sleep(0.2)
            other.start()
            time.sleep(0.2)
        wait_until(lambda: not spooled(service), 90)
        is_each_there_once(queue, posters)
        assert "Traceback" not in service.log()


@pytest.mark.parametrize("server", SERVERS)
def test_visitors_stay_the_same_after_a_restart_without_redis(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    with start(server, valkey.url) as service:
        salts = service.directory / "salts.json"
        wait_until(salts.exists)
        assert salts.stat().st_mode & 0o777 == 0o600
        assert post(service, ONE, "/event?users=hashed")[0] == 202
        service.kill()
        valkey.kill()
        service.start()
        assert post(service, ONE, "/event?users=hashed")[0] == 202
        valkey.start()
        wait_until(lambda: len(queued(queue)) == 2)
    users = {event.user_id for event in queued(queue)}
    assert len(users) == 1
    assert None not in users
