"""A primary is demoted while connections to it stay open: whoever has one goes on elsewhere."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis

from ingestion.app import QUEUE_TIMEOUT_SECONDS
from shared.clock import DAY_MS
from shared.errors import Unavailable
from shared.queue import connections
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeQueue
from tests.failover import Pair
from tests.servers import ValkeyServer, wait_until

THREADS = 4


@pytest.fixture
def moving(make_queue: MakeQueue, pair: Pair) -> EventQueue:
    """A queue as ingestion has it, at an address that moves."""
    return make_queue(timeout_seconds=QUEUE_TIMEOUT_SECONDS, redis_url=pair.url)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as threads:
        yield threads


def in_each(threads: ThreadPoolExecutor, call: Callable[[], object]) -> None:
    """The call in each thread, so that each has its own connection."""
    together = Barrier(THREADS)

    def call_at_once() -> None:
        together.wait()
        call()

    for called in [threads.submit(call_at_once) for _ in range(THREADS)]:
        called.result()


def test_no_push_fails_where_the_address_has_moved(
    moving: EventQueue, pair: Pair, threads: ThreadPoolExecutor
) -> None:
    old = pair.primary
    in_each(threads, lambda: moving.push([b"1"]))
    in_each(threads, moving.snapshot)
    assert old.connections() > THREADS
    pair.move()
    in_each(threads, lambda: moving.push([b"2"]))
    wait_until(lambda: old.connections() == 0)
    assert moving.snapshot().accepted == 2 * THREADS
    assert moving.redis.lrange(moving.buffer, 0, -1) == [b"1"] * THREADS + [b"2"] * THREADS


def test_one_that_is_demoted_in_place_is_waited_for(moving: EventQueue, pair: Pair) -> None:
    moving.push([b"1"])
    pair.swap()
    for _ in range(3):
        with pytest.raises(Unavailable, match="it is a replica, which takes no writes"):
            moving.push([b"refused"])
    pair.swap()
    assert moving.push([b"2"]) == 2


def test_the_workers_verbs_fail_once_at_most(moving: EventQueue, pair: Pair) -> None:
    moving.push([b"1"])
    assert moving.count_workers() == 0
    pair.move()
    with pytest.raises(redis.exceptions.ReadOnlyError):
        moving.report("worker")
    moving.report("worker")
    assert moving.count_workers() == 1
    batch = moving.claim()
    assert batch is not None
    pair.move()
    with pytest.raises(redis.exceptions.ReadOnlyError):
        moving.finish(batch.id)
    moving.finish(batch.id)
    assert moving.snapshot().processing == 0


def test_a_salt_is_had_at_once(moving: EventQueue, pair: Pair) -> None:
    first = moving.share_salt(0, DAY_MS)
    pair.move()
    assert moving.share_salt(DAY_MS, DAY_MS) != first
    assert moving.share_salt(0, DAY_MS) == first


def test_who_only_reads_does_not_stay_with_a_replica(
    make_queue: MakeQueue, moving: EventQueue, pair: Pair
) -> None:
    reader = make_queue(redis_url=pair.url, max_age_seconds=0.2)
    moving.push([b"1"])
    assert reader.snapshot().accepted == 1
    pair.move()
    moving.push([b"2"])
    wait_until(lambda: reader.snapshot().accepted == 2, 5)


@pytest.mark.parametrize(("haste_seconds", "ends_all"), [(0.2, True), (5, False)])
def test_a_long_silence_ends_all_connections_and_a_short_one_its_own(
    make_queue: MakeQueue,
    pair: Pair,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    haste_seconds: float,
    ends_all: bool,
) -> None:
    def use() -> None:
        queue.redis.blpop(["nothing"], 0.1)

    monkeypatch.setattr(connections, "SILENCE_SECONDS", haste_seconds)
    queue = make_queue(timeout_seconds=0.3, redis_url=pair.url)
    in_each(threads, use)
    pair.lose()
    with pytest.raises(redis.TimeoutError):
        use()
    with contextlib.nullcontext() if ends_all else pytest.raises(redis.TimeoutError):
        in_each(threads, use)


def wait_for_an_item(queue: EventQueue) -> bool:
    """Whether one came; False where the connection was ended instead."""
    try:
        return queue.redis.blpop(["items"], 0) is not None
    except redis.ConnectionError:
        return False


def is_waited_for(valkey: ValkeyServer) -> bool:
    with valkey.client() as admin:
        return bool(admin.info("clients")["blocked_clients"])


def test_who_waits_at_a_server_that_cannot_serve_is_called_away(
    make_queue: MakeQueue, valkey: ValkeyServer, threads: ThreadPoolExecutor
) -> None:
    patient = make_queue(timeout_seconds=60)
    waiting = threads.submit(wait_for_an_item, patient)
    wait_until(lambda: is_waited_for(valkey))
    with valkey.client() as admin:
        admin.config_set("min-replicas-to-write", 1)
        try:
            with pytest.raises(Unavailable):
                patient.push([b"1"])
            assert waiting.result(5) is False
        finally:
            admin.config_set("min-replicas-to-write", 0)


def test_others_are_left_alone_by_a_forgotten_script_and_by_a_connection_that_is_not_let_in(
    make_queue: MakeQueue, valkey: ValkeyServer, threads: ThreadPoolExecutor
) -> None:
    patient = make_queue(timeout_seconds=60)
    waiting = threads.submit(wait_for_an_item, patient)
    wait_until(lambda: is_waited_for(valkey))
    patient.redis.script_flush()
    assert patient.push([b"1"]) == 1
    assert patient.snapshot().queued == 1
    with valkey.client() as admin:
        admin.config_set("requirepass", "secret")
        try:
            with pytest.raises(redis.AuthenticationError):
                patient.redis.connection_pool.make_connection().connect()  # type: ignore[no-untyped-call]
        finally:
            admin.config_set("requirepass", "")
        admin.rpush("items", "1")
    assert waiting.result(5) is True
