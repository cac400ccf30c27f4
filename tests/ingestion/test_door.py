"""The door without any server: requests made by hand, a queue that nobody may ask."""

import io
from dataclasses import replace
from typing import Any, cast

import pytest

from ingestion.door import Door
from ingestion.protocols.pixel import PIXEL
from ingestion.protocols.posted import POST_EVENT
from ingestion.protocols.protocol import Answer, Outcome, Protocol
from ingestion.reading.aliases import Aliases
from ingestion.reading.body import Payload
from ingestion.reading.request import Request
from shared.errors import InvalidInput
from shared.event import Event, decode_event
from shared.queue.event_queue import EventQueue
from shared.queue.limits import Charges
from shared.settings import Settings
from tests.ingestion.away import Away

NOW = 1_763_208_000_000


class Untouched:
    """In the place of a queue: whatever is asked of it is an error."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the queue was asked for {name}")


class Kept:
    """In the place of a queue: keeps what is pushed, and has one salt for ever; nobody knows
    what is set for sites."""

    prefix = "footfall"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.redis = Away()

    def push(self, events: list[bytes], _charges: Charges) -> None:
        self.events += map(decode_event, events)

    def share_salt(self, start: int, lifetime_ms: int, period: str, *_: object) -> bytes:
        return b"salt"


def make_door(queue: object, **changes: Any) -> Door:
    door = Door(replace(Settings(), **changes), cast("EventQueue", queue), lambda: NOW)
    door.sites.looked_at = 0.0
    return door


def asked(body: bytes = b"", query: str = "", peer: str | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/event", query, named, peer, io.BytesIO(body).read)


def test_a_request_is_read_validated_and_encoded_without_a_server_or_a_queue() -> None:
    door = make_door(Untouched(), country_header="CF-IPCountry")
    body = b'[{"site_id":"s","event_type":"e","url":"/a"},{"site_id":"s"}]'
    request = asked(body, user_agent="Browser/1", cf_ipcountry="de", content_length=str(len(body)))
    outcome = door.read(POST_EVENT, request)
    [event] = map(decode_event, outcome.encoded)
    assert (event.path, event.user_agent, event.country) == ("/a", "Browser/1", "DE")
    assert (event.timestamp, event.received_at) == (NOW, NOW)
    [(index, error)] = outcome.rejected
    assert (index, error.code) == (1, "missing_field")
    assert outcome.is_batch


def test_what_is_refused_is_raised_before_anything_is_pushed() -> None:
    door = make_door(Untouched(), api_auth="key", ingest_auth=True)
    with pytest.raises(InvalidInput, match="key is required"):
        door.read(POST_EVENT, asked(b"{}"))
    answer = door.receive(POST_EVENT, asked(b"{}", authorization="Bearer key"))
    assert answer.status == 400
    assert b'"code":"missing_field"' in answer.body


def test_a_body_without_a_length_is_read_as_far_as_it_may_go() -> None:
    door = make_door(Untouched())
    assert len(door.read(POST_EVENT, asked(b'{"site_id":"s","event_type":"e"}')).encoded) == 1
    assert door.receive(POST_EVENT, asked(b" " * 2_000_000)).status == 413


@pytest.mark.parametrize(
    ("settings", "headers", "country"),
    [
        ({"country_header": "X-Country"}, {"x_country": "fr"}, "FR"),
        ({"country_header": "X-Country"}, {}, None),
        ({}, {"x_country": "fr"}, None),
    ],
)
def test_headers_that_settings_name_are_looked_up_in_lower_case(
    settings: dict[str, str], headers: dict[str, str], country: str | None
) -> None:
    request = asked(b'{"site_id":"s","event_type":"e"}', **headers)
    [encoded] = make_door(Untouched(), **settings).read(POST_EVENT, request).encoded
    assert decode_event(encoded).country == country


def test_a_visitor_is_told_by_the_peer_or_by_the_header_that_a_setting_names() -> None:
    def user_id(peer: str | None, x_real_ip: str, **changes: str) -> str | None:
        request = asked(
            b'{"site_id":"s","event_type":"e"}', "users=hashed", peer, x_real_ip=x_real_ip
        )
        [encoded] = make_door(Kept(), **changes).read(POST_EVENT, request).encoded
        return decode_event(encoded).user_id

    one = user_id("203.0.113.1", "203.0.113.2")
    assert one is not None
    assert user_id("203.0.113.2", "203.0.113.1", address_header="X-Real-IP") == one
    assert user_id(None, "203.0.113.1") is None


def test_an_image_needs_no_body() -> None:
    queue = Kept()
    request = asked(query="site_id=s&event_type=e", referer="https://site.example/page")
    answer = make_door(queue).receive(PIXEL, request)
    assert (answer.status, len(answer.body)) == (200, 43)
    assert ("X-Footfall", "accepted") in answer.headers
    assert [event.path for event in queue.events] == ["/page"]


def answer_plainly(outcome: Outcome) -> Answer:
    return Answer(200, [("Content-Type", "text/plain")], b"%d" % len(outcome.encoded))


def test_another_protocol_is_one_declaration() -> None:
    spoken = Protocol(
        name="words",
        method="POST",
        paths=("/words",),
        read=lambda request: Payload([dict.fromkeys(("site", "what"), request.query)], True, True),
        answer=answer_plainly,
        refuse=lambda error: Answer(418, [], error.code.encode()),
        aliases=Aliases({"site": "site_id", "what": "event_type"}),
        openapi={},
    )
    queue = Kept()
    door = make_door(queue, cors_origins=("https://a.example",), api_auth="key", ingest_auth=True)
    refused = door.receive(spoken, asked(query="hello", origin="https://a.example"))
    assert (refused.status, refused.body) == (418, b"unauthorized")
    assert ("Access-Control-Allow-Origin", "https://a.example") in refused.headers
    assert queue.events == []
    accepted = door.receive(spoken, asked(query="hello", authorization="key"))
    assert (accepted.status, accepted.body) == (200, b"1")
    assert ("Content-Length", "1") in accepted.headers
    assert [(event.site_id, event.event_type) for event in queue.events] == [("hello", "hello")]
