"""What follows from the list of protocols: each is answered, asked before, and described."""

import pytest
from flask.testing import FlaskClient

from ingestion.app import Ingestion
from ingestion.doors.wsgi import with_short_path
from ingestion.openapi import OPENAPI
from ingestion.protocols.known import PROTOCOLS
from ingestion.protocols.protocol import Protocol
from shared.queue.event_queue import EventQueue
from tests.ingestion.wsgi import answers_counted, make_environ, queued

ROUTES = [(protocol, path) for protocol in PROTOCOLS for path in protocol.paths]
each_route = pytest.mark.parametrize(
    ("protocol", "path"), ROUTES, ids=[f"{protocol.method} {path}" for protocol, path in ROUTES]
)


def test_no_two_protocols_share_a_name_or_a_route() -> None:
    assert len({protocol.name for protocol in PROTOCOLS}) == len(PROTOCOLS)
    assert len({(protocol.method, path) for protocol, path in ROUTES}) == len(ROUTES)


@each_route
@pytest.mark.parametrize("written", ["{}", "/{}", "{}/"])
def test_a_route_is_answered_before_flask(
    ingestion: Ingestion, protocol: Protocol, path: str, written: str
) -> None:
    def never(*_: object) -> list[bytes]:
        raise AssertionError("the short path ends before it")

    started: list[str] = []
    app = with_short_path(ingestion.door, never)
    environ = make_environ(b"", written.format(path), REQUEST_METHOD=protocol.method)
    [body] = app(environ, lambda status, *_: started.append(status))  # type: ignore[arg-type]
    assert body
    assert len(started) == 1


@each_route
def test_flask_knows_the_route_too(ingestion: Ingestion, protocol: Protocol, path: str) -> None:
    methods: set[str] = set()
    for rule in ingestion.url_map.iter_rules():
        methods |= rule.methods or set() if rule.rule == path else set()
    wanted = {protocol.method, "OPTIONS"} | ({"HEAD"} if protocol.method == "GET" else set())
    assert methods == wanted


@each_route
def test_a_browser_that_asks_first_is_told_what_the_protocol_says(
    client: FlaskClient, protocol: Protocol, path: str
) -> None:
    answer = client.options(path)
    for name, value in protocol.preflight:
        assert answer.headers[name] == value
    assert (answer.status_code == 204) == bool(protocol.preflight)


@each_route
def test_a_head_counts_nothing(
    ingestion: Ingestion, queue: EventQueue, protocol: Protocol, path: str
) -> None:
    """Which Flask offers wherever there is a GET: so each of those has an answer to it."""
    before = answers_counted(ingestion, 202, 400)
    answer = ingestion.test_client().head(f"{path}?site_id=s&event_type=e")
    assert (answer.status_code == 405) == (protocol.method != "GET")
    assert (protocol.head is not None) == (protocol.method == "GET")
    assert answers_counted(ingestion, 202, 400) == before
    assert queued(queue) == []


@each_route
def test_a_route_is_described(protocol: Protocol, path: str) -> None:
    described = OPENAPI["paths"][path]
    assert described[protocol.method.lower()]["responses"] == protocol.openapi["responses"]
    assert ("options" in described) == bool(protocol.preflight)
