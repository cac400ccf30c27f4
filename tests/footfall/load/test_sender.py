"""The open loop against a real door, in time that the test makes pass."""

import json
import threading
from collections.abc import Callable, Iterator

import pytest

from footfall.load.errors import CannotLoad
from footfall.load.sending.sender import Sender
from footfall.load.target import target_from
from footfall.load.traffic.plan import Plan
from footfall.load.traffic.requests import Requests, head_for
from footfall.load.traffic.traffic import Shape, Traffic
from ingestion.app import Ingestion
from ingestion.protocols.protocol import Answer
from shared.event import decode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.footfall.importing.ingestion_server import IngestionServer, Request, canned
from tests.servers import PATIENCE_SECONDS, free_port, wait_until

MakeSender = Callable[..., Sender]


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Forgetful(IngestionServer):
    """Takes the first request's events in, and breaks the connection instead of saying so."""

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        if len(self.requests) == 1:
            raise ConnectionAbortedError
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(ingestion: Ingestion) -> Iterator[IngestionServer]:
    with IngestionServer(ingestion) as door:
        yield door


@pytest.fixture
def make_sender(settings: Settings, clock: Clock) -> Iterator[MakeSender]:
    made: list[Sender] = []

    def make(url: str, plan: Plan, connections: int = 4) -> Sender:
        target = target_from("--url", url, may_be_remote=False)
        head = head_for(target, settings, is_batch=plan.batch > 1)
        traffic = Traffic("site", Shape(plan.rate), "run")
        requests = Requests(head, traffic, plan, started_at=1_000_000)
        sender = Sender(target.address, plan, requests.content, clock, connections)
        made.append(sender.__enter__())
        return sender

    yield make
    for sender in made:
        sender.__exit__()


def wait_for(event: threading.Event) -> None:
    event.wait(PATIENCE_SECONDS)


def turn_until(sender: Sender, holds: Callable[[], object]) -> None:
    def turned() -> object:
        sender.turn(0.01)
        return holds()

    wait_until(turned)


def finish(sender: Sender) -> None:
    turn_until(sender, lambda: sender.is_done)


def ids_in(queue: EventQueue) -> list[str]:
    batch = queue.claim()
    return [decode_event(payload).event_id for payload in batch.payloads] if batch else []


def test_requests_are_sent_when_they_are_due(
    make_sender: MakeSender, door: IngestionServer, clock: Clock
) -> None:
    sender = make_sender(door.url, Plan(rate=10, events=10))
    turn_until(sender, lambda: sender.measures.accepted == 1)
    sender.turn(0.05)
    assert len(door.requests) == 1
    clock.now = 0.35
    turn_until(sender, lambda: sender.measures.accepted == 4)
    assert len(door.requests) == 4


def test_events_carry_the_time_they_were_planned_for(
    make_sender: MakeSender, door: IngestionServer, clock: Clock
) -> None:
    clock.now = 60.0
    sender = make_sender(door.url, Plan(rate=10, events=4, batch=2))
    finish(sender)
    events = [event for request in door.requests for event in json.loads(request.body)]
    assert sorted(event["timestamp"] for event in events) == [
        1_000_000,
        1_000_100,
        1_000_200,
        1_000_300,
    ]


def test_a_server_that_stalls_is_charged_for_all_that_had_to_wait(
    make_sender: MakeSender, door: IngestionServer, clock: Clock
) -> None:
    def stall(request: int) -> None:
        clock.now = 5.0

    door.on_request = stall
    sender = make_sender(door.url, Plan(rate=1, events=6), connections=1)
    finish(sender)
    # Planned for each second from 0 to 5, and all answered at 5.
    latencies = sender.measures.all
    assert [latencies.percentile(n / 6) for n in (2, 3, 4, 5, 6)] == [
        pytest.approx(ms, rel=0.03) for ms in (1000, 2000, 3000, 4000, 5000)
    ]


def test_what_waits_for_a_connection_is_overdue(
    make_sender: MakeSender, door: IngestionServer, clock: Clock
) -> None:
    goes_on = threading.Event()
    door.on_request = lambda _: wait_for(goes_on)
    sender = make_sender(door.url, Plan(rate=1, events=100), connections=2)
    clock.now = 4.0
    sender.turn(0.01)
    assert sender.plan.overdue(clock.now) == 3
    assert sender.unanswered == 2
    goes_on.set()
    turn_until(sender, lambda: sender.measures.accepted == 5)


def test_an_event_whose_answer_was_lost_is_sent_again_under_its_id(
    make_sender: MakeSender, ingestion: Ingestion, clock: Clock, queue: EventQueue
) -> None:
    with Forgetful(ingestion) as door:
        sender = make_sender(door.url, Plan(rate=1, events=1))
        turn_until(sender, lambda: sender.measures.errors)
        assert sender.unanswered == 1
        clock.now = 1.0
        finish(sender)
    first, second = door.requests
    assert first.body == second.body
    assert first.port != second.port
    assert sender.measures.accepted == 1
    assert sender.measures.resent == 1
    assert sender.measures.errors.total() == 1
    ids = ids_in(queue)
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_a_refusal_that_passes_is_counted_and_sent_again_when_the_server_says(
    make_sender: MakeSender, door: IngestionServer, clock: Clock
) -> None:
    refusal = b'{"status":"error","code":"backlog_full","error":"too many"}'
    door.canned = [canned("503 SERVICE UNAVAILABLE", refusal, Retry_After="3")]
    sender = make_sender(door.url, Plan(rate=1, events=1))
    turn_until(sender, lambda: sender.measures.errors)
    assert sender.measures.errors == {"503 backlog_full": 1}
    clock.now = 2.9
    sender.turn(0.05)
    assert len(door.requests) == 1
    clock.now = 3.0
    finish(sender)
    assert sender.measures.accepted == 1
    assert sender.measures.all.percentile(1) == pytest.approx(3000, rel=0.03)


def test_a_server_that_is_away_is_an_error_until_it_is_back(
    make_sender: MakeSender, clock: Clock
) -> None:
    sender = make_sender(f"http://127.0.0.1:{free_port()}", Plan(rate=1, events=1))
    for second in range(3):
        clock.now = float(second)
        sender.turn(0.01)
    assert sender.measures.errors == {"connection refused": 3}
    assert sender.unanswered == 1


def test_no_answer_in_time_is_an_error(
    make_sender: MakeSender, door: IngestionServer, clock: Clock
) -> None:
    goes_on = threading.Event()
    door.on_request = lambda _: wait_for(goes_on)
    sender = make_sender(door.url, Plan(rate=1, events=1))
    turn_until(sender, lambda: door.requests)
    clock.now = 11.0
    sender.turn(0.01)
    assert sender.measures.errors == {"no answer within 10 s": 1}
    goes_on.set()


def test_events_that_are_refused_for_good_are_not_sent_again(
    make_sender: MakeSender, door: IngestionServer, clock: Clock
) -> None:
    some = b'{"status":"accepted","accepted":1,"rejected":[{"index":0,"error":"why"}]}'
    none = b'{"status":"error","error":"why","accepted":0,"rejected":[]}'
    door.canned = [canned("202 ACCEPTED", some), canned("400 BAD REQUEST", none)]
    clock.now = 60.0
    sender = make_sender(door.url, Plan(rate=1, events=4, batch=2))
    finish(sender)
    assert (sender.measures.accepted, sender.measures.rejected) == (1, 3)
    assert len(door.requests) == 2


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("404 NOT FOUND", "answered 404, and not as ingestion does"),
        ("401 UNAUTHORIZED", "answered 401: set INGEST_AUTH to true"),
    ],
)
def test_what_is_in_vain_ends_the_run(
    make_sender: MakeSender, door: IngestionServer, status: str, sentence: str
) -> None:
    door.canned = [canned(status, b"{}")]
    sender = make_sender(door.url, Plan(rate=1, events=1))
    with pytest.raises(CannotLoad, match=sentence):
        finish(sender)


def test_a_request_larger_than_a_socket_takes_at_once_arrives_whole(
    door: IngestionServer, clock: Clock
) -> None:
    body = b"x" * 20_000_000
    content = b"POST /event HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    door.canned = [canned("202 ACCEPTED", b"{}")]
    target = target_from("--url", door.url, may_be_remote=False)
    with Sender(target.address, Plan(1, 1), lambda _: content, clock) as sender:
        finish(sender)
    assert door.requests[0].body == body
