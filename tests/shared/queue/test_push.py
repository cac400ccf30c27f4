"""Pushing from threads: the held connection's small client of the Redis protocol, and places."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.queue import push, push_command, scripts
from shared.queue.event_queue import EventQueue
from shared.queue.push_command import NotTaken, Place, Pushed, new_stream
from tests.conftest import MakeQueue
from tests.servers import ValkeyServer

TAKEN, FULL = Pushed.TAKEN, Pushed.TOO_MANY_WAIT


@pytest.fixture
def hasty(make_queue: MakeQueue) -> Iterator[EventQueue]:
    queue = make_queue(timeout_seconds=0.5)
    yield queue
    queue.close()


def waiting(queue: EventQueue) -> list[bytes]:
    found: Any = queue.redis.lrange(queue.buffer, 0, -1)
    return list(found)


def test_events_arrive_as_they_are(queue: EventQueue) -> None:
    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.binary(), min_size=1, max_size=5))
    def check(events: list[bytes]) -> None:
        queue.redis.delete(queue.buffer)
        assert queue.push(events) == len(events)
        assert waiting(queue) == events
        assert int(queue.redis.get(queue.bytes) or 0) == sum(map(len, events))

    check()


def test_many_and_large_events_are_one_call(queue: EventQueue) -> None:
    for events in ([b"%d" % n for n in range(9000)], [b"x" * 1_000_000, b"", b"y" * 300_000]):
        queue.redis.delete(queue.buffer)
        queue.push(events)
        assert waiting(queue) == events


def hang(valkey: ValkeyServer, seconds: float) -> None:
    """Have the server answer nobody for so long."""
    with valkey.client() as client:
        client.client_pause(int(seconds * 1000))


def test_after_silence_the_next_callers_do_not_ask(
    hasty: EventQueue, queue: EventQueue, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty.push([b"0"])
    before = calls(valkey)
    with monkeypatch.context() as patched:
        patched.setattr(push, "HUNG_SECONDS", 60.0)  # so that none of these comes too late
        hang(valkey, 1)
        for event in (b"1", b"2", b"3"):
            with pytest.raises(NotTaken):
                hasty.push([event])
    assert waiting(queue) == [b"0"]  # of the first, the server has seen that it came too late
    assert calls(valkey) <= before + 1  # of a client that has gone, the server forgets it


def calls(valkey: ValkeyServer) -> int:
    """How often a script was called so far."""
    with valkey.client() as client:
        return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])


def test_silence_is_forgotten_after_a_while(hasty: EventQueue, valkey: ValkeyServer) -> None:
    hasty.push([b"0"])
    hang(valkey, 0.6)
    with pytest.raises(NotTaken):
        hasty.push([b"1"])
    time.sleep(push.HUNG_SECONDS + 0.2)
    assert hasty.push([b"2"]) == 2


def test_each_thread_has_a_connection_and_a_stream_of_its_own(queue: EventQueue) -> None:
    def call(number: int) -> int:
        return queue.push([b"%d" % number] * 3)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(1000)))
    assert sorted(waiting(queue)) == sorted(b"%d" % n for n in range(1000) for _ in range(3))
    assert 1 <= len(list(queue.redis.scan_iter(f"{queue.push_command.stream_prefix}*"))) <= 8


def test_what_is_sent_again_with_its_place_is_there_once(queue: EventQueue) -> None:
    stream = new_stream()
    requests = [[b"a", b"b"], [b"c"], [b"d"]]
    assert queue.push_again(requests[:2], Place(stream, 1))
    assert queue.push_again(requests, Place(stream, 1))
    assert queue.push_again(requests[1:], Place(stream, 2))
    assert waiting(queue) == [b"a", b"b", b"c", b"d"]
    assert queue.snapshot().accepted == 4


def test_a_request_that_was_refused_is_not_taken_for_one_that_is_there(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue(max_backlog=2)
    stream = new_stream()
    assert not queue.push_again([[b"a", b"b"], [b"c"], [b"d"]], Place(stream, 1))
    assert waiting(queue) == [b"a", b"b"]
    queue.redis.delete(queue.buffer)
    assert queue.push_again([[b"a", b"b"], [b"c"]], Place(stream, 1))
    assert queue.push_again([[b"c"], [b"d"]], Place(stream, 2))
    assert waiting(queue) == [b"c", b"d"]


def test_each_request_of_a_call_is_answered_by_itself(make_queue: MakeQueue) -> None:
    queue = make_queue(max_backlog=3)
    taken = queue._push.again([[b"a"], [b"b", b"c"], [b"d"]], Place(new_stream(), 1))
    assert taken.outcomes == [TAKEN, TAKEN, FULL]
    assert (taken.waiting, taken.is_job_wanted) == (3, True)


def test_of_a_call_that_is_there_in_part_the_rest_comes_in_order(make_queue: MakeQueue) -> None:
    queue = make_queue(max_backlog=4)
    stream = new_stream()
    requests = [[b"%d.%d" % (n, m) for m in range(2)] for n in range(6)]
    # The first two fill it, the next two are refused.
    first = queue._push.again(requests[:4], Place(stream, 1))
    assert first.outcomes == [TAKEN, TAKEN, FULL, FULL]
    queue.redis.delete(queue.buffer)
    # One of those that were refused comes by itself, and then all of them again.
    assert queue.push_again([requests[3]], Place(stream, 4))
    second = queue._push.again(requests, Place(stream, 1))
    assert second.outcomes == [TAKEN, TAKEN, TAKEN, TAKEN, FULL, FULL]
    assert waiting(queue) == [*requests[3], *requests[2]]
    queue.redis.delete(queue.buffer)
    assert queue.push_again(requests, Place(stream, 1))
    assert waiting(queue) == [*requests[4], *requests[5]]
    backlog = queue.snapshot()
    assert (backlog.accepted, backlog.queued_bytes) == (12, 12)


def test_the_backlog_has_a_bound_in_bytes(make_queue: MakeQueue) -> None:
    queue = make_queue(max_backlog_bytes=1000, batch_size=2)
    queue.push([b"x" * 400, b"y" * 500])
    queue.push([b"z" * 900])  # below the bound when it came
    with pytest.raises(Exception, match="MAX_BACKLOG_BYTES is 1000") as caught:
        queue.push([b"1"])
    assert getattr(caught.value, "code", "") == "backlog_full"
    assert queue.claim() is not None
    assert queue.snapshot().queued_bytes == 900
    queue.push([b"1"])
    assert queue.snapshot().queued_bytes == 901


def test_bytes_that_an_older_worker_left_uncounted_are_forgotten(queue: EventQueue) -> None:
    queue.push([b"x" * 400])
    queue.redis.delete(queue.buffer)  # as by a claim that knows of no bytes
    queue.push([b"y"])
    assert queue.snapshot().queued_bytes == 1


def test_a_push_that_comes_late_is_not_taken(
    queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.push([b"0"])
    monkeypatch.setattr(push_command, "PUSH_SECONDS", -60.0)
    with pytest.raises(NotTaken, match="too slow"):
        queue.push([b"1"])
    assert waiting(queue) == [b"0"]


def test_a_clock_that_jumps_costs_one_call_more(queue: EventQueue) -> None:
    queue.push([b"0"])
    held = queue._push.held_connection()
    held.clock.ahead -= 3_600_000  # as after the server's was set forward
    assert queue.push([b"1"]) == 2


def test_a_script_that_was_forgotten_is_sent_again(queue: EventQueue) -> None:
    queue.push([b"0"])
    queue.redis.script_flush()
    assert queue.push([b"1"]) == 2
    assert queue.redis.script_exists(push_command.DIGEST.decode())[0]
    assert scripts.PUSH


def call_in(queue: EventQueue, place: Place, *, deadline: int = 0, confirmed: int = 0) -> list[int]:
    """What the script answers to one request of one event, named after its number."""
    number, command = place.number, queue.push_command
    head = command.whole_head(place.stream)
    packed = command.pack(head, [[b"%d" % number]], number, confirmed, deadline)
    taken = push_command.taken_from(queue._push.held_connection().exchange(packed))
    return taken.outcomes


def test_a_call_that_was_not_executed_is_not_taken_for_one_that_was(queue: EventQueue) -> None:
    """A late call, or one refused by an error, while later ones of its stream were executed."""
    stream = new_stream()
    assert call_in(queue, Place(stream, 1)) == [TAKEN]
    assert call_in(queue, Place(stream, 2), deadline=1) == [Pushed.LATE]
    assert call_in(queue, Place(stream, 4)) == [TAKEN]
    assert call_in(queue, Place(stream, 6)) == [TAKEN]
    for number in (2, 3, 5, 2, 3, 5, 4, 6, 1):
        assert queue.push_again([[b"%d" % number]], Place(stream, number))
    assert waiting(queue) == [b"1", b"4", b"6", b"2", b"3", b"5"]


def test_of_a_stream_that_was_forgotten_nothing_is_missing(queue: EventQueue) -> None:
    stream = new_stream()
    assert call_in(queue, Place(stream, 900_000), confirmed=899_999) == [TAKEN]
    assert [key.decode() for key in queue.redis.scan_iter("*stream*")] == [
        f"{queue.push_command.stream_prefix}{stream}"
    ]
