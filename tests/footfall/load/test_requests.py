"""What goes out, byte by byte."""

import json

import pytest

from footfall.load.target import target_from
from footfall.load.traffic.plan import Plan, Slot
from footfall.load.traffic.requests import REMEMBERED_EVENTS, Requests, head_for
from footfall.load.traffic.traffic import Shape, Traffic
from shared.settings import Settings

TARGET = target_from("--url", "http://127.0.0.1:8000/behind", may_be_remote=False)


def requests_of(settings: Settings, batch: int = 1) -> Requests:
    plan = Plan(rate=10, events=100, batch=batch)
    head = head_for(TARGET, settings, is_batch=batch > 1)
    return Requests(head, Traffic("site", Shape(10), "run"), plan, started_at=1000)


def test_a_request_says_where_it_goes_and_how_long_it_is() -> None:
    head, _, body = requests_of(Settings()).content(Slot(3, 1, 0.3)).partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /behind/event HTTP/1.1",
        b"Host: 127.0.0.1:8000",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
    ]
    event = json.loads(body)
    assert (event["site_id"], event["event_id"], event["timestamp"]) == ("site", "run-1", 1300)


def test_many_events_are_an_array() -> None:
    content = requests_of(Settings(), batch=3).content(Slot(0, 3, 0.2))
    assert content.startswith(b"POST /behind/events ")
    events = json.loads(content.partition(b"\r\n\r\n")[2])
    assert [event["timestamp"] for event in events] == [1000, 1100, 1200]


@pytest.mark.parametrize("wants_key", [True, False])
def test_the_key_goes_along_where_ingestion_wants_it(wants_key: bool) -> None:
    content = requests_of(Settings(api_auth="secret", ingest_auth=wants_key)).content(Slot(0, 1, 0))
    assert (b"\r\nAuthorization: Bearer secret\r\n" in content) is wants_key


@pytest.mark.parametrize(("batch", "says_it"), [(1, True), (2, False)])
def test_a_single_event_says_its_country_where_there_is_a_header(batch: int, says_it: bool) -> None:
    requests = requests_of(Settings(), batch)
    requests.country_header = b"CF-IPCountry"
    assert (b"\r\nCF-IPCountry: " in requests.content(Slot(0, batch, 0))) is says_it


def test_the_last_events_are_remembered() -> None:
    requests = requests_of(Settings(), batch=20)
    for first in (0, 20):
        requests.content(Slot(first, 20, 0))
    ids = [event["event_id"] for event in requests.last]
    assert ids == [f"run-{number:x}" for number in range(11, 41)]
    assert len(ids) == REMEMBERED_EVENTS
