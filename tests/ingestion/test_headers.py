"""What every server and its adapter owe the door: headers by their very names, and all of them.

A proxy sets the headers that are trusted; no other name may pass for one of these, and nothing that
the client sent beside them may win over the proxy's word.
"""

from collections.abc import Iterator

import pytest

from shared.event import Event
from shared.queue.event_queue import EventQueue
from tests.ingestion.test_servers import GOOD, exchange, length, request, start
from tests.ingestion.wsgi import queued
from tests.servers import ServiceProcess, ValkeyServer

TRUSTED = {"ADDRESS_HEADER": "X-Forwarded-For", "COUNTRY_HEADER": "CF-IPCountry"}
PROXY, CLIENT = "203.0.113.7", "198.51.100.9"
BY_PROXY = ("X-Forwarded-For: 203.0.113.7", "CF-IPCountry: DE")
BY_CLIENT = ("X_Forwarded_For: 198.51.100.9", "CF_IPCountry: FR")


@pytest.fixture
def service(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[ServiceProcess]:
    with start(request.param, valkey.url, **TRUSTED) as service:
        yield service


def sent(service: ServiceProcess, queue: EventQueue, *headers: str) -> Event:
    """The event that a request with these headers brings."""
    asked = request(GOOD, length(GOOD), *headers).replace(b"/event", b"/event?users=hashed")
    answer = exchange(service, asked)
    assert b" 202 " in answer.splitlines()[0], answer
    return queued(queue)[-1]


@pytest.mark.parametrize("service", ["granian", "gunicorn"], indirect=True)
def test_a_name_with_an_underscore_is_not_the_one_with_a_hyphen(
    service: ServiceProcess, queue: EventQueue
) -> None:
    told = sent(service, queue, *BY_PROXY)
    assert (told.country, bool(told.user_id)) == ("DE", True)
    for headers in (BY_PROXY + BY_CLIENT, BY_CLIENT + BY_PROXY):
        event = sent(service, queue, *headers)
        assert (event.country, event.user_id) == ("DE", told.user_id)
    alone = sent(service, queue, *BY_CLIENT)
    assert (alone.country, alone.user_id) == (None, None)
    for header in ("Content_Encoding: br", "Sec_Purpose: prefetch", "User_Agent: x"):
        assert sent(service, queue, *BY_PROXY, header).user_id == told.user_id


@pytest.mark.parametrize("service", ["granian", "gunicorn"], indirect=True)
def test_of_a_header_that_comes_twice_the_proxy_s_counts(
    service: ServiceProcess, queue: EventQueue
) -> None:
    told = sent(service, queue, *BY_PROXY)
    again = sent(service, queue, f"X-Forwarded-For: {CLIENT}", *BY_PROXY)
    assert again.user_id == told.user_id
    # Two countries are none: which of the two the proxy set is not known.
    assert sent(service, queue, "CF-IPCountry: FR", *BY_PROXY).country is None


@pytest.mark.parametrize("service", ["granian", "gunicorn"], indirect=True)
def test_a_header_changes_nothing_of_where_a_request_goes(
    service: ServiceProcess, queue: EventQueue
) -> None:
    for header in ("SCRIPT_NAME: /e", "PATH_INFO: /health", "Script-Name: /e", "Remote-Addr: x"):
        assert sent(service, queue, *BY_PROXY, header).country == "DE"
