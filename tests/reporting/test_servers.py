"""Reporting as a process of its own, over real connections, on each server that it offers."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from reporting.__main__ import processes_of
from shared.db.database import writing_engine
from shared.http.granian_server import HEAD_SECONDS
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import ServiceProcess, ValkeyServer, wait_until

SERVERS = ["granian", "gunicorn"]
# More than there are threads.
STALLED = 300
HALVES = {
    "head": b"GET /stats?site_id=a HTTP/1.1\r\nHost: localhost\r\nUser-Ag",
    "body": b"POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "nothing": b"",
}


@pytest.fixture(scope="module")
def address(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path: Path = tmp_path_factory.mktemp("reporting")
    settings = Settings(redis_url=valkey_server.url, database_url=f"sqlite:///{path}/f.db")
    engine = writing_engine(settings)
    migrate(engine)
    engine.dispose()
    return settings


def start(settings: Settings, server: str, **more: object) -> ServiceProcess:
    given = {"REDIS_URL": settings.redis_url, "DATABASE_URL": settings.database_url}
    return ServiceProcess("reporting", {**given, "REPORTING_SERVER": server, **more})


@pytest.fixture(scope="module", params=SERVERS)
def service(request: pytest.FixtureRequest, address: Settings) -> Iterator[ServiceProcess]:
    with start(address, request.param) as service:
        yield service


def get(service: ServiceProcess, path: str, **headers: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def stalled(service: ServiceProcess, sent: bytes, number: int) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this much, and send no more."""
    with ExitStack() as held:
        connections = []
        for _ in range(number):
            made = socket.create_connection(("127.0.0.1", service.port), timeout=60)
            connections.append(held.enter_context(made))
            made.sendall(sent)
        yield connections


@pytest.mark.parametrize("half", HALVES)
def test_clients_that_stall_do_not_stop_the_others(address: Settings, half: str) -> None:
    with start(address, "granian") as service, stalled(service, HALVES[half], STALLED):
        for path in ("/health", "/ready", "/metrics", "/stats?site_id=a", "/"):
            assert get(service, path)[0] == 200


def test_a_body_that_no_route_takes_is_not_waited_for(service: ServiceProcess) -> None:
    with stalled(service, HALVES["body"], 20) as connections:
        for connection in connections:
            assert connection.recv(1000).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("half", HALVES)
def test_on_gunicorn_some_clients_may_stall(address: Settings, half: str) -> None:
    with start(address, "gunicorn") as service, stalled(service, HALVES[half], 100):
        for path in ("/health", "/stats?site_id=a"):
            assert get(service, path)[0] == 200


def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(address: Settings) -> None:
    with (
        start(address, "granian") as service,
        stalled(service, HALVES["head"], 1) as [half],
        stalled(service, HALVES["nothing"], 1) as [silent],
    ):
        half.settimeout(HEAD_SECONDS + 60)
        silent.settimeout(HEAD_SECONDS + 60)
        assert half.recv(1000) in {b"", b"HTTP/1.1 408 Request Timeout\r\n"}
        assert silent.recv(1000) == b""


def test_clients_that_read_slowly_do_not_stop_the_others(address: Settings) -> None:
    """Each has its answer of more than the kernel keeps, and reads none of it."""
    sent = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40
    with start(address, "granian") as service, stalled(service, sent, STALLED):
        for path in ("/health", "/stats?site_id=a"):
            assert get(service, path)[0] == 200


def test_a_connection_serves_many_requests(service: ServiceProcess) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        for path, status in [("/health", 200), ("/nowhere", 404), ("/stats", 400), ("/", 200)]:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == status
            assert int(answer.headers["Content-Length"]) == len(answer.read())
        assert connection.sock is not None


def test_head_and_unchanged_answers_have_no_body(service: ServiceProcess) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        tag = answer.headers["ETag"]
        answer.read()
        for method, headers, status in [("GET", {"If-None-Match": tag}, 304), ("HEAD", {}, 200)]:
            connection.request(method, "/", headers=headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (status, b"")


def test_a_path_may_hold_any_text(service: ServiceProcess) -> None:
    status, answer = get(service, "/stats?site_id=%E2%82%AC+%25&date=2025-11-15")
    assert (status, json.loads(answer)["site_id"]) == (200, "€ %")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(address: Settings, server: str, number: int) -> None:
    with start(address, server) as service:
        assert get(service, "/stats?site_id=a")[0] == 200
        assert service.process is not None
        service.signal(number)
        assert service.process.wait(60) == 0
        assert "Traceback" not in service.log()


def test_there_is_a_process_for_each_core_up_to_four_unless_it_is_said() -> None:
    assert processes_of(Settings()) == min(os.cpu_count() or 1, 4)
    assert processes_of(Settings(reporting_processes=7)) == 7


@pytest.mark.parametrize("server", SERVERS)
def test_several_processes_answer(address: Settings, server: str) -> None:
    with start(address, server, REPORTING_PROCESSES=2) as service:
        wait_until(lambda: get(service, "/metrics")[0] == 200)
        for _ in range(20):
            assert get(service, "/stats?site_id=a")[0] == 200
        assert service.stop() == 0


@pytest.mark.parametrize("server", SERVERS)
def test_what_was_asked_before_a_signal_is_answered(
    address: Settings, valkey: ValkeyServer, server: str
) -> None:
    with start(address, server) as service:
        valkey.pause()  # the ledger is asked of Redis for two seconds
        with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as asking:
            asking.request("GET", "/pipeline/status")
            time.sleep(0.5)
            service.signal(signal.SIGTERM)
            answer = asking.getresponse()
            assert (answer.status, json.loads(answer.read())["code"]) == (503, "queue_unavailable")
        assert service.process is not None
        assert service.process.wait(60) == 0
