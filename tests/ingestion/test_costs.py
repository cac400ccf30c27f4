"""What reading a request takes is bounded: counted in calls, for time is also other programs'."""

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from types import FrameType
from typing import Any, cast

import pytest

from ingestion.door import Door
from ingestion.protocols.protocol import Answer
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.urls import parsed_host
from tests.ingestion.costly import MAKERS, Costly, ordinary
from tests.ingestion.test_door import NOW, Kept

# A call takes some 0.1 us. What C does within one is bounded by counts: reading/test_bounds.py.
MAX_EVENT_CALLS = 100_000
MAX_CALLS = 700_000
# Of each kind of request, so many in this order are looked at; bench/costs.py measures them all.
LOOKED_AT = 40


@pytest.fixture
def door() -> Door:
    return Door(Settings(), cast("EventQueue", Kept()), lambda: NOW)


def calls_of(ask: Callable[[], Answer]) -> tuple[int, Answer]:
    """How many functions are called, in Python and in C, until there is an answer."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        answer = ask()
    finally:
        sys.setprofile(before)
    return count, answer


def spread(make: Callable[[], Iterator[Costly]]) -> Iterator[Costly]:
    count = sum(1 for _ in make())
    return islice(make(), 0, None, max(1, count // LOOKED_AT))


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_no_request_takes_more_work_than_is_promised(
    make: Callable[[], Iterator[Costly]], door: Door
) -> None:
    for costly in spread(make):
        parsed_host.cache_clear()
        request = costly.request()
        count, answer = calls_of(lambda: door.receive(costly.protocol, request))  # noqa: B023
        assert count <= min(MAX_CALLS, MAX_EVENT_CALLS * costly.events), costly.name
        assert answer.status in {200, 202, 400, 413, 415}, costly.name


@pytest.mark.parametrize("costly", list(ordinary()), ids=lambda costly: costly.name)
def test_what_sites_send_is_taken_as_ever(costly: Costly, door: Door) -> None:
    assert door.receive(costly.protocol, costly.request()).status == 202
    assert len(cast("Kept", door.queue).events) == costly.events
