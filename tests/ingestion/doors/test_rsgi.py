"""The door on Granian, over real connections: slow, large and many clients, and Flask behind it."""

import asyncio
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import pytest

from ingestion.app import Ingestion
from ingestion.doors import rsgi
from ingestion.doors.wsgi import ENVIRON_KEYS
from ingestion.protocols.posted import POST_EVENTS
from ingestion.reading.body import MAX_BODY_BYTES
from shared.clock import now_ms
from shared.queue.event_queue import EventQueue
from tests.ingestion.test_servers import (
    CHUNKED,
    GOOD,
    chunk,
    exchange,
    length,
    post,
    read_answer,
    request,
    start,
)
from tests.ingestion.wsgi import ONE, number, payloads, queued
from tests.looped import run_looped
from tests.servers import ServiceProcess, ValkeyServer, wait_until

STALLED = 300


@pytest.fixture(scope="module")
def service(valkey_server: ValkeyServer) -> Iterator[ServiceProcess]:
    with start("granian", valkey_server.url) as service:
        yield service


@pytest.fixture(scope="module")
def hasty(valkey_server: ValkeyServer) -> Iterator[ServiceProcess]:
    """A service that waits for a body no longer than a second."""
    service = ServiceProcess("tests.ingestion.doors.hasty", {"REDIS_URL": valkey_server.url})
    service.settings["INGESTION_PORT"] = str(service.port)
    with service:
        yield service


def connection_to(service: ServiceProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def fetch(service: ServiceProcess, method: str, path: str, **headers: str) -> Any:
    """An answer, its body read."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def metric(service: ServiceProcess, name: str) -> float:
    return number(fetch(service, "GET", "/metrics")[2].decode(), name)


def test_clients_that_stall_hold_nobody_up(
    service: ServiceProcess, valkey: ValkeyServer, queue: EventQueue
) -> None:
    half_head = b"POST /event HTTP/1.1\r\nHost: x\r\nContent-Le"
    half_body = request(GOOD[:5], length(GOOD))
    with ExitStack() as opened:
        stalled = [opened.enter_context(connection_to(service)) for _ in range(2 * STALLED)]
        for index, connection in enumerate(stalled):
            connection.sendall(half_body if index % 2 else half_head)
        for _ in range(100):
            assert post(service, GOOD)[0] == 202
        assert fetch(service, "GET", "/health")[0] == 200
        for connection in stalled[1::2]:  # a body that comes in the end counts all the same
            connection.sendall(GOOD[5:])
        for connection in stalled[1::2]:
            assert b" 202 " in read_answer(connection).splitlines()[0]
    assert len(payloads(queue)) == 100 + STALLED


def test_a_body_that_does_not_arrive_in_time_is_given_up(
    hasty: ServiceProcess, queue: EventQueue
) -> None:
    slow = [
        request(GOOD[:-1], length(GOOD)),
        request(chunk(GOOD[:-1]), CHUNKED),
        request(b"", length(GOOD)),
    ]
    with ExitStack() as opened:
        stalled = [opened.enter_context(connection_to(hasty)) for _ in slow]
        for connection, sent in zip(stalled, slow, strict=True):
            connection.sendall(sent)
        for connection in stalled:
            answer = read_answer(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"body_too_slow"' in answer
    assert queued(queue) == []
    assert post(hasty, GOOD)[0] == 202
    assert metric(hasty, 'footfall_ingestion_answers_total{status="408"}') == len(slow)


def test_what_arrives_piece_by_piece_in_time_is_whole(
    hasty: ServiceProcess, queue: EventQueue
) -> None:
    for _ in range(3):
        with closing(connection_to(hasty)) as connection:
            connection.sendall(request(b"", length(GOOD)))
            for position in range(len(GOOD)):
                connection.sendall(GOOD[position : position + 1])
            assert b" 202 " in read_answer(connection).splitlines()[0]
    assert len(queued(queue)) == 3


def chunks(body: bytes, size: int) -> bytes:
    parts = (chunk(body[at : at + size]) for at in range(0, len(body), size))
    return b"".join(parts) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "size"),
    [(GOOD, 1), (b"[%b]" % b",".join([GOOD] * 1000), 1000), (GOOD + b" " * 1_000_000, 60_000)],
    ids=["bytes", "many", "large"],
)
def test_chunks_of_any_size_are_understood(
    service: ServiceProcess, queue: EventQueue, body: bytes, size: int
) -> None:
    answer = exchange(service, request(chunks(body, size), CHUNKED))
    assert b" 202 " in answer.splitlines()[0]
    assert len(queued(queue)) == body.count(GOOD)


def test_a_body_in_endless_small_chunks_is_refused(
    service: ServiceProcess, queue: EventQueue
) -> None:
    """Half a megabyte in chunks of a byte took 17 seconds of CPU."""
    body = GOOD + b" " * rsgi.MAX_CHUNKS
    answer = exchange(service, request(chunks(body, 1), CHUNKED))
    assert b" 413 " in answer.splitlines()[0]
    assert queued(queue) == []
    assert post(service, GOOD)[0] == 202


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_its_bound_is_refused(
    service: ServiceProcess, queue: EventQueue, is_chunked: bool
) -> None:
    body = GOOD + b" " * MAX_BODY_BYTES
    whole, cut = request(body, length(body)), request(chunks(body, 100_000), CHUNKED)
    answer = exchange(service, cut if is_chunked else whole)
    assert answer == b"" or b" 413 " in answer.splitlines()[0]
    assert queued(queue) == []
    exact = GOOD + b" " * (MAX_BODY_BYTES - len(GOOD))
    assert post(service, exact)[0] == 202


def test_what_is_read_in_a_thread_is_answered_the_same(
    service: ServiceProcess, queue: EventQueue
) -> None:
    batch = json.dumps([ONE, {}, *[ONE] * 998]).encode()
    assert len(batch) > rsgi.LARGE_BYTES
    status, answer = post(service, batch)
    assert (status, answer["accepted"], [each["index"] for each in answer["rejected"]]) == (
        202,
        999,
        [1],
    )
    packed = gzip.compress(GOOD)
    assert post(service, packed, **{"Content-Encoding": "gzip"}) == (202, {"status": "accepted"})
    assert post(service, b"[" * 50_000)[0] == 400
    assert post(service, b"no gzip", **{"Content-Encoding": "gzip"})[0] == 400
    assert len(queued(queue)) == 1000


def test_a_client_that_leaves_is_no_trouble(service: ServiceProcess, queue: EventQueue) -> None:
    for sent in (request(GOOD[:5], length(GOOD)), request(chunk(GOOD[:5]), CHUNKED)):
        with closing(connection_to(service)) as connection:
            connection.sendall(sent)
    for _ in range(20):
        with closing(connection_to(service)) as connection:
            connection.sendall(request(GOOD, length(GOOD)))
    assert post(service, GOOD)[0] == 202
    assert "Traceback" not in service.log()
    assert len(queued(queue)) <= 21


def test_the_other_methods_of_a_protocols_route(service: ServiceProcess) -> None:
    asked = {"Origin": "https://a.example", "Access_Control_Request_Method": "POST"}
    status, headers, body = fetch(service, "OPTIONS", "/event", **asked)
    assert (status, body) == (204, b"")
    assert "POST" in headers["Access-Control-Allow-Methods"]
    status, headers, body = fetch(service, "HEAD", "/pixel.gif")
    assert (status, headers["Content-Type"], body) == (200, "image/gif", b"")


def test_flask_answers_every_other_route(service: ServiceProcess) -> None:
    assert fetch(service, "GET", "/event")[0] == 405
    assert fetch(service, "GET", "/no/such/thing")[0] == 404
    assert fetch(service, "PUT", "/health")[1]["Allow"]
    status, headers, body = fetch(service, "HEAD", "/docs")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len(fetch(service, "GET", "/docs")[2]) > 0
    assert json.loads(fetch(service, "GET", "/openapi.json")[2])["openapi"]
    status, headers, body = fetch(service, "GET", "/tracker.js")
    assert (status, len(body)) == (200, int(headers["Content-Length"]))
    status, _, body = fetch(service, "GET", "/tracker.js", If_None_Match=headers["ETag"])
    assert (status, body) == (304, b"")


def test_a_path_of_any_bytes_is_answered(service: ServiceProcess) -> None:
    for path in (b"/%00", b"/%ff", b"/caf%c3%a9", b"/a%2fb", b"/%", b"/?x=%ff", b"/" + b"a" * 5000):
        answer = exchange(service, b"GET %b HTTP/1.0\r\n\r\n" % path)
        assert answer.split(b" ", 2)[1] in {b"400", b"404", b"414"}, path
    assert "Traceback" not in service.log()


def test_what_stands_on_several_lines_is_one_list_unless_its_first_line_decides() -> None:
    lines = [("x-a", "1"), ("user-agent", "one"), ("x-a", "2"), ("user-agent", "two"), ("x-a", "")]
    assert rsgi.headers_from(lines) == {"x-a": "1, 2, ", "user-agent": "one"}
    assert rsgi.headers_from(lines[:2]) == {"x-a": "1", "user-agent": "one"}


def test_what_a_turn_answers_is_counted_once(service: ServiceProcess) -> None:
    names = [
        'footfall_ingestion_answers_total{status="202"}',
        'footfall_ingestion_answers_total{status="400"}',
        "footfall_ingestion_events_total",
    ]
    before = [metric(service, name) for name in names]
    with ThreadPoolExecutor(8) as pool:
        for body in (GOOD, json.dumps([ONE, ONE, {}]).encode(), b"{}"):
            list(pool.map(partial(post, service), [body] * 40))
    after = [metric(service, name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [80, 40, 120]


def test_names_of_headers_are_not_gathered() -> None:
    before = dict(ENVIRON_KEYS)
    headers = {f"X-{n}": "1" for n in range(10)}
    scope = FakeScope(headers)
    assert rsgi.environ_from(scope)["HTTP_X_9"] == "1"  # type: ignore[arg-type]
    assert dict(ENVIRON_KEYS) == before


class FakeScope:
    server, client = "127.0.0.1:80", "[::1]:1234"
    http_version, scheme = "1.1", "http"

    def __init__(
        self, headers: dict[str, str], method: str = "GET", path: str = "/", query: str = ""
    ) -> None:
        self.headers = headers
        self.method, self.path, self.query_string = method, path, query


def test_what_an_operator_asks_is_answered_while_batches_pour_in(
    service: ServiceProcess, queue: EventQueue
) -> None:
    batch = json.dumps([ONE] * 1000).encode()
    done = threading.Event()
    posted: list[int] = []

    def pour() -> None:
        while not done.is_set():
            posted.append(post(service, batch)[0])

    threads = [threading.Thread(target=pour) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(posted) > 4)
        for path in ("/health", "/ready", "/metrics"):
            for _ in range(5):
                assert fetch(service, "GET", path)[0] == 200
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(posted) == {202}
    assert len(payloads(queue)) == 1000 * len(posted)


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_sigterm_lets_requests_under_way_end(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    """Redis hangs, so that they are under way for a while, and are kept in the spool then."""
    with start(server, valkey.url) as service:
        assert post(service, GOOD)[0] == 202
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(post(service, GOOD)[0]))
            for _ in range(3)
        ]
        valkey.pause()
        for thread in threads:
            thread.start()
        time.sleep(0.2)  # until they are read; half a second is for an answer
        assert service.stop() == 0
        for thread in threads:
            thread.join(60)
        valkey.resume()
        assert answers == [202] * 3
        service.start()
        wait_until(lambda: len(payloads(queue)) == 4)
        assert "Traceback" not in service.log()


class FakeProtocol:
    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __call__(self) -> bytes:
        return self.body


@pytest.mark.parametrize("knows_today", [False, True])
@pytest.mark.parametrize("query", ["users=hashed", ""])
def test_the_loop_waits_for_no_salt(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch, knows_today: bool, query: str
) -> None:
    threads: list[str] = []
    read = ingestion.door.read

    def noted(*given: Any) -> Any:
        threads.append(threading.current_thread().name)
        return read(*given)

    monkeypatch.setattr(ingestion.door, "read", noted)
    # It would fetch the salt ahead, perhaps before the request is read.
    monkeypatch.setattr(ingestion.door.keeper, "start", lambda: None)
    if knows_today:
        ingestion.door.salts.look_ahead(now_ms())

    async def run() -> int:
        door = rsgi.RsgiDoor(ingestion.door, ingestion)
        door.loop = asyncio.get_running_loop()
        await door.start()
        scope = FakeScope({"content-length": str(len(GOOD))}, "POST", "/event", query)
        answer = await door.receive(POST_EVENTS, scope, FakeProtocol(GOOD))  # type: ignore[arg-type]
        door.sweeping.cancel()
        await door.delivery.close()
        return answer.status

    assert run_looped(run()) == 202
    assert threads[0].startswith("reader") == bool(query and not knows_today)
