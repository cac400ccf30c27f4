"""Calls of a pipeline that came to nothing while a later one of their stream was taken.

It happens when Redis stands still for longer than a push waits: the first of two calls is too late
when it goes on, and the second one is not. Nobody reads their answers any more.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

from shared.clock import now_ms
from shared.queue.event_queue import EventQueue
from shared.queue.push_command import Place, Pushed, new_stream, taken_from

LATE, IN_TIME = -1000, 60_000


def call(
    queue: EventQueue, place: Place, requests: Sequence[list[bytes]], *, confirmed: int, until: int
) -> set[int]:
    """What becomes of requests that are to be pushed until so many ms from now."""
    command = queue.push_command
    head = command.whole_head(place.stream)
    packed = command.pack(head, requests, place.number, confirmed, now_ms() + until)
    return set(taken_from(queue._push.held_connection().exchange(packed)).outcomes)


def waiting(queue: EventQueue) -> list[bytes]:
    found: Any = queue.redis.lrange(queue.buffer, 0, -1)
    return list(found)


def test_what_was_passed_over_is_taken_when_it_comes_again(queue: EventQueue) -> None:
    stream = new_stream()
    late, taken = [[b"a"], [b"b"]], [[b"c"]]
    assert call(queue, Place(stream, 1), late, confirmed=0, until=LATE) == {Pushed.LATE}
    assert call(queue, Place(stream, 3), taken, confirmed=0, until=IN_TIME) == {Pushed.TAKEN}
    for _ in range(2):
        assert queue.push_again([*late, *taken], Place(stream, 1))
    assert sorted(waiting(queue)) == [b"a", b"b", b"c"]


def test_what_was_answered_is_not_taken_for_passed_over(queue: EventQueue) -> None:
    stream = new_stream()
    numbers = count(1)
    for _ in range(3):
        number = next(numbers)
        place = Place(stream, number)
        call(queue, place, [[b"late"]], confirmed=number - 1, until=LATE)
    place = Place(stream, next(numbers))
    call(queue, place, [[b"in time"]], confirmed=place.number - 1, until=IN_TIME)
    assert queue.redis.exists(f"{queue.push_command.stream_prefix}{stream}:refused") == 0
