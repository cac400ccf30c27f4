"""Ingestion as a process of its own, over real connections, on each server that it offers."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from shared.queue.event_queue import EventQueue
from tests.ingestion.reading.test_malformed import CODES, KINDS, Request
from tests.ingestion.wsgi import ONE, queued
from tests.promises import within_a_second
from tests.servers import ServiceProcess, ValkeyServer, free_port

GOOD = json.dumps(ONE).encode()
SERVERS = ["granian", "gunicorn"]
HEADERS = {"CONTENT_TYPE": "Content-Type", "HTTP_CONTENT_ENCODING": "Content-Encoding"}


@pytest.fixture(scope="module", params=SERVERS)
def service(request: pytest.FixtureRequest, valkey_server: ValkeyServer) -> Iterator[Any]:
    with start(request.param, valkey_server.url) as service:
        yield service


def start(server: str, redis_url: str, **more: object) -> ServiceProcess:
    given = {"REDIS_URL": redis_url, "INGESTION_SERVER": server, **more}
    return ServiceProcess("ingestion", given)


def post(service: ServiceProcess, body: bytes, **headers: str) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # what is too large is not read
            connection.request("POST", "/event", body, headers)
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(answer.read())


def exchange(service: ServiceProcess, sent: bytes, *, hang_up: bool = False) -> bytes:
    """What comes back for these very bytes; with `hang_up`, no more will come after them."""
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=60)) as connection:
        with suppress(OSError):  # it may have answered and left before we had sent everything
            connection.sendall(sent)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    received = b""
    with suppress(TimeoutError, ConnectionResetError):
        while part := connection.recv(65_536):
            received += part
    return received


def request(body: bytes, *headers: str) -> bytes:
    lines = ["POST /event HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def length(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def test_an_event_posted_is_queued(service: ServiceProcess, queue: EventQueue) -> None:
    assert post(service, GOOD, **{"User-Agent": "Browser/1"}) == (202, {"status": "accepted"})
    [event] = queued(queue)
    assert (event.site_id, event.user_agent) == ("site-1", "Browser/1")


def test_a_connection_serves_many_requests(service: ServiceProcess, queue: EventQueue) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        for body, status in [(GOOD, 202), (b"x", 400), (b"[]", 400), (GOOD, 202)]:
            connection.request("POST", "/events", body)
            answer = connection.getresponse()
            assert (answer.status, int(answer.headers["Content-Length"])) == (
                status,
                len(answer.read()),
            )
    assert len(queued(queue)) == 2


@pytest.mark.parametrize("path", [b"/event/", b"//event", b"//events//"])
def test_a_path_with_slashes_too_many_is_the_same_route(
    service: ServiceProcess, queue: EventQueue, path: bytes
) -> None:
    sent = request(GOOD, length(GOOD)).replace(b"/event", path)
    assert b" 202 " in exchange(service, sent).splitlines()[0]
    assert len(queued(queue)) == 1
    for other in (b"/health/", b"//health", b"/tracker.js/"):
        answer = exchange(service, b"GET %b HTTP/1.0\r\n\r\n" % other)
        assert b" 200 " in answer.splitlines()[0]


def test_a_body_in_chunks_is_understood(service: ServiceProcess, queue: EventQueue) -> None:
    chunks = b"".join(chunk(GOOD[n : n + 7]) for n in range(0, len(GOOD), 7))
    sent = request(chunks + b"0\r\n\r\n", "Transfer-Encoding: chunked")
    assert b" 202 " in exchange(service, sent).splitlines()[0]
    assert len(queued(queue)) == 1


def test_a_client_may_wait_for_leave_to_send(service: ServiceProcess) -> None:
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=60)) as connection:
        connection.sendall(request(b"", length(GOOD), "Expect: 100-continue"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(GOOD)
        assert read_answer(connection).startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "headers" not in kind])
def test_nothing_malformed_does_harm(service: ServiceProcess, queue: EventQueue, kind: str) -> None:
    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    @given(KINDS[kind])
    def check(sent: Request) -> None:
        body, extra = sent
        before = queue.redis.llen(queue.buffer)
        status, answer = post(service, body, **{HEADERS[name]: v for name, v in extra.items()})
        assert status in {202, 400, 413, 415}
        if status != 202:
            assert answer["code"] in CODES
            assert queue.redis.llen(queue.buffer) == before

    check()


TWO_MIB = b" " * 2_097_152
CHUNKED = "Transfer-Encoding: chunked"
RAW = {
    "2 MiB": (request(TWO_MIB, length(TWO_MIB)), {413}),
    "2 MiB in one chunk": (request(chunk(TWO_MIB) + b"0\r\n\r\n", CHUNKED), {413}),
    "length too short": (request(GOOD, "Content-Length: 5"), {400}),
    "length negative": (request(GOOD, "Content-Length: -5"), {400}),
    "length no number": (request(GOOD, "Content-Length: many"), {400}),
    "length of 26 digits": (
        request(GOOD, "Content-Length: 99999999999999999999999999"),
        {400, 413},
    ),
    "two lengths": (request(GOOD, "Content-Length: 5", "Content-Length: 32"), {400}),
    "no length": (request(b""), {400}),
    "broken chunk size": (request(b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n", CHUNKED), {400}),
    "unknown transfer coding": (request(GOOD, "Transfer-Encoding: br", length(GOOD)), {400, 501}),
    "NUL in a header": (request(GOOD, length(GOOD), "User-Agent: a\0b"), {400}),
    "bad header name": (request(GOOD, length(GOOD), "User Agent: a"), {400}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\xfc\r\n\r\n", {400}),
    "bad path": (request(GOOD, length(GOOD)).replace(b"/event", b"/ev\xff%ff%00"), {400, 404}),
}


@pytest.mark.parametrize("name", RAW)
def test_a_request_that_is_none_is_refused(
    service: ServiceProcess, queue: EventQueue, name: str
) -> None:
    sent, statuses = RAW[name]
    answer = exchange(service, sent)
    assert int(answer.split(b" ", 2)[1]) in statuses, answer[:300]
    assert queued(queue) == []
    assert post(service, GOOD)[0] == 202


@pytest.mark.parametrize(
    "sent",
    [request(GOOD, "Content-Length: 100"), request(b"ff\r\n" + GOOD[:-1], CHUNKED)],
    ids=["length", "chunks"],
)
def test_half_an_event_is_none(service: ServiceProcess, queue: EventQueue, sent: bytes) -> None:
    answer = exchange(service, sent, hang_up=True)
    assert answer == b"" or b" 400 " in answer.splitlines()[0]
    assert queued(queue) == []
    assert post(service, GOOD)[0] == 202


def test_headers_of_any_bytes_are_survived(service: ServiceProcess, queue: EventQueue) -> None:
    odd = ["User-Agent: Zo\xc3\xab \xff", "Origin: \xe9", "Content-Type: \xfe", "X-Odd: \x80"]
    assert b" 202 " in exchange(service, request(GOOD, length(GOOD), *odd)).splitlines()[0]
    # Granian leaves out a header that is not ASCII.
    assert queued(queue)[0].user_agent in {None, "Zoë \N{REPLACEMENT CHARACTER}"}


@pytest.mark.parametrize("server", SERVERS)
def test_a_client_that_stalls_does_not_stop_the_others(valkey: ValkeyServer, server: str) -> None:
    with start(server, valkey.url, INGESTION_THREADS=2) as service:
        address = ("127.0.0.1", service.port)
        with closing(socket.create_connection(address, timeout=60)) as stalled:
            stalled.sendall(request(GOOD[:5], length(GOOD)))
            time.sleep(0.1)
            assert post(service, GOOD)[0] == 202
            stalled.sendall(GOOD[5:])
            assert read_answer(stalled).startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize("server", SERVERS)
def test_sigterm_ends_it_and_what_it_accepted_stays(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    with start(server, valkey.url) as service:
        assert post(service, GOOD)[0] == 202
        assert service.stop() == 0
        assert "Traceback" not in service.log()
    assert len(queued(queue)) == 1


@pytest.mark.parametrize("server", SERVERS)
def test_several_processes_count_together(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    with start(server, valkey.url, INGESTION_PROCESSES=2) as service:
        for _ in range(30):
            assert post(service, GOOD)[0] == 202
        metrics = exchange(service, b"GET /metrics HTTP/1.0\r\n\r\n")
    assert b"footfall_ingestion_events_total 30.0" in metrics
    assert len({event.event_id for event in queued(queue)}) == 30


@pytest.mark.parametrize("server", SERVERS)
def test_without_redis_and_spool_it_is_up_and_answers_503_and_no_password(server: str) -> None:
    url = f"redis://user:hunter2@127.0.0.1:{free_port()}/0"
    with start(server, url, SPOOL_MAX_BYTES=0) as service:
        with within_a_second():
            status, answer = post(service, GOOD)
        assert (status, answer["code"]) == (503, "queue_unavailable")
        assert "hunter2" not in service.log() + answer["error"]


@pytest.mark.parametrize("server", SERVERS)
def test_without_redis_it_answers_202_and_no_password(server: str) -> None:
    with start(server, f"redis://user:hunter2@127.0.0.1:{free_port()}/0") as service:
        with within_a_second():
            assert post(service, GOOD) == (202, {"status": "accepted"})
        assert "hunter2" not in service.log()


@pytest.mark.parametrize(
    ("name", "value"), [("INGESTION_PORT", "x"), ("REDIS_URL", "redis://:hun/ter2@h:1/0")]
)
def test_a_bad_setting_is_one_sentence_and_status_2(name: str, value: str) -> None:
    environment = {"PATH": os.environ["PATH"], name: value}
    ended = subprocess.run(
        [sys.executable, "-m", "ingestion"], env=environment, capture_output=True, timeout=60
    )
    assert ended.returncode == 2
    [line] = ended.stderr.decode().splitlines()
    assert line.startswith(f"footfall: {name}: must be ")
    assert "hun" not in line


@pytest.mark.parametrize("server", SERVERS)
def test_a_country_database_that_is_none_is_refused_before_serving(
    server: str, tmp_path: Path
) -> None:
    missing = f"{tmp_path}/none.mmdb"
    given = {"INGESTION_SERVER": server, "COUNTRY_DATABASE": missing}
    environment = {"PATH": os.environ["PATH"], **given}
    ended = subprocess.run(
        [sys.executable, "-m", "ingestion"], env=environment, capture_output=True, timeout=60
    )
    assert ended.returncode == 2
    [line] = ended.stderr.decode().splitlines()
    assert line == f"footfall: COUNTRY_DATABASE: {missing}: No such file or directory"
