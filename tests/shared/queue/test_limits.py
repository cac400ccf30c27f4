"""Limits that Redis holds in the call that takes the events."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.clock import DAY_MS, now_ms
from shared.queue.event_queue import EventQueue
from shared.queue.limits import BURST_MS, LEASE_MS, Charge, Charges, Limit, Of, OverLimit
from shared.queue.push_command import Place
from tests.shared.queue.test_turn_push import pushing


def of_site(name: str, events: int, most: int = 100) -> Charge:
    return Charge(Limit(Of.SITE, name, most), events)


def of_key(events: int, most: int = 100) -> Charge:
    return Charge(Limit(Of.KEY, "one:2026-01-02", most), events)


def some(number: int) -> list[bytes]:
    return [b"1"] * number


def push(queue: EventQueue, *charges: Charge) -> OverLimit | None:
    """What became of a request of as many events as the first is charged."""
    try:
        queue.push(some(charges[0].events), charges)
    except OverLimit as error:
        return error
    return None


def kept(queue: EventQueue) -> dict[str, float]:
    prefix = f"{queue.prefix}:limit:"
    found: Iterable[Any] = queue.redis.keys(f"{prefix}*")
    return {key.decode().removeprefix(prefix): float(queue.redis.get(key) or 0) for key in found}


def test_ten_seconds_worth_comes_at_once_and_then_the_rate(queue: EventQueue) -> None:
    taken = 0
    while (error := push(queue, of_site("a", 100))) is None:
        taken += 100
    # A second's worth is added each second, and the last that comes is taken whole.
    assert 1000 <= taken <= 1200
    assert (error.status, error.code, error.retry_after_seconds) == (429, "site_limit", 1)
    assert "site_id a may have 100 events a second" in error.message
    assert queue.redis.llen(queue.buffer) == queue.snapshot().accepted == taken
    time.sleep(error.wait_ms / 1000)
    assert push(queue, of_site("a", 1)) is None


@pytest.mark.parametrize("most", [19_999, 20_001, 1_000_000])
def test_what_is_charged_in_advance_is_no_clock_that_was_set_back(
    queue: EventQueue, most: int
) -> None:
    lease = most * LEASE_MS // 1000
    limit = Limit(Of.SITE, "a", most)

    def is_taken() -> bool:
        try:
            queue.push([b"1"], [Charge(limit, lease, lease - 1)])
        except OverLimit:
            return False
        return True

    taken = 0
    while taken < 20 * most and is_taken():
        taken += lease
    assert 9.9 * most <= taken < 20 * most


def test_what_is_too_much_is_waited_for_by_those_that_come_later(queue: EventQueue) -> None:
    assert push(queue, of_site("a", 1000, most=10)) is None
    error = push(queue, of_site("a", 1, most=10))
    assert error is not None
    assert 89_000 < error.wait_ms < 91_000
    assert push(queue, of_site("b", 1, most=10)) is None
    # Another limit is another beginning.
    assert push(queue, of_site("a", 1, most=11)) is None


def test_a_refused_request_is_charged_nothing(queue: EventQueue) -> None:
    assert push(queue, of_site("a", 1000, most=50)) is None
    before = kept(queue)
    for _ in range(3):
        assert push(queue, of_site("b", 7), of_site("a", 7, most=50)) is not None
    assert kept(queue) == before
    error = push(queue, of_site("b", 7), of_site("a", 7, most=50))
    assert error is not None
    assert error.charge.limit.name == "a"


def test_a_key_brings_so_many_a_day_and_not_one_more(queue: EventQueue) -> None:
    assert push(queue, of_key(60)) is None
    error = push(queue, of_key(41))
    assert error is not None
    assert (error.code, error.status) == ("key_quota", 429)
    left_ms = DAY_MS - now_ms() % DAY_MS
    assert abs(error.wait_ms - left_ms) < 60_000
    assert push(queue, of_key(40)) is None
    assert push(queue, of_key(1)) is not None
    # More of them a day goes on from there.
    assert push(queue, of_key(100, most=201)) is None
    assert push(queue, of_key(2, most=201)) is not None


def test_what_is_known_already_is_not_charged_again(queue: EventQueue) -> None:
    assert push(queue, of_key(60)) is None
    assert queue._push.local.number == 1
    place = Place(queue._push.local.stream, 1)
    taken = queue._push.call([some(60)], place, [[of_key(60)]], has_deadline=True)
    assert taken.outcomes == [1]
    assert kept(queue) == {"k:one:2026-01-02": 60}
    assert queue.snapshot().accepted == 60


def test_what_was_refused_and_kept_in_a_spool_is_taken_later(queue: EventQueue) -> None:
    """The answer that refused it was lost, and its client has been told 202."""
    assert push(queue, of_key(100)) is None
    assert push(queue, of_key(7)) is not None
    place = Place(queue._push.local.stream, queue._push.local.number)
    assert queue.push_again([some(7)], place)
    assert queue.push_again([some(7)], place)
    assert queue.snapshot().accepted == 107


def test_a_limit_is_forgotten_once_nothing_of_it_is_used(queue: EventQueue) -> None:
    assert push(queue, of_site("a", 1, most=50)) is None
    assert len(kept(queue)) == 1
    time.sleep(0.05)
    assert kept(queue) == {}


def test_a_clock_that_was_set_back_lets_nobody_wait_for_that_long(queue: EventQueue) -> None:
    hour = 3600 * 1000
    queue.redis.set(f"{queue.prefix}:limit:s:100:a", now_ms() + hour)
    assert push(queue, of_site("a", 1000)) is None
    assert kept(queue)["s:100:a"] <= now_ms() + BURST_MS + 1000


def test_each_request_of_a_turn_is_held_against_what_those_before_it_used(
    queue: EventQueue,
) -> None:
    requests: list[tuple[int, Charges]] = [
        (600, [of_key(600, most=1000), of_site("a", 600)]),
        (500, [of_key(500, most=1000)]),
        (3, []),
        (400, [of_key(400, most=1000), of_site("a", 400), of_site("b", 400)]),
        (1, [of_key(1, most=1000)]),
    ]
    with ThreadPoolExecutor(1) as pool:  # in this thread a browser's loop may still run
        outcomes = pool.submit(asyncio.run, pushed_in_a_turn(queue, requests)).result()
    codes = [getattr(outcome, "code", None) for outcome in outcomes]
    assert codes == [None, "key_quota", None, None, "key_quota"]
    assert queue.snapshot().accepted == 1003
    assert sorted(kept(queue)) == ["k:one:2026-01-02", "s:100:a", "s:100:b"]


async def pushed_in_a_turn(
    queue: EventQueue, requests: Sequence[tuple[int, Charges]]
) -> list[BaseException | None]:
    async with pushing(queue) as turns:
        futures = [turns.push(some(number), charges) for number, charges in requests]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
    return [None if outcome is True else outcome for outcome in outcomes]  # type: ignore[misc]


def test_a_thousand_sites_in_one_request_are_charged(queue: EventQueue) -> None:
    charges = [of_site(f"site-{number}", 1, most=1) for number in range(1000)]
    charges.append(of_key(1000, most=20_000))
    queue.push(some(1000), charges)
    assert len(kept(queue)) == 1001
    for _ in range(10):
        queue.push(some(1000), charges)
    with pytest.raises(OverLimit):
        queue.push(some(1000), charges)


def test_a_full_backlog_charges_nobody(queue: EventQueue) -> None:
    queue.push_command.args[1] = b"1"
    queue.push([b"1"])
    with pytest.raises(Exception, match="wait already"):
        queue.push([b"1"], [of_key(1)])
    assert kept(queue) == {}
