"""What the door sees while Valkey is restarted, killed, paused, or answers nonsense."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import redis

from ingestion.app import QUEUE_TIMEOUT_SECONDS
from shared.errors import Unavailable
from shared.queue.connections import CONNECT_TIMEOUT_SECONDS
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeQueue
from tests.promises import BUSY_SECOND
from tests.servers import ValkeyServer, free_port, wait_until


@pytest.fixture
def door(make_queue: MakeQueue) -> EventQueue:
    """A queue as ingestion has it."""
    return make_queue(timeout_seconds=QUEUE_TIMEOUT_SECONDS)


def buffered(queue: EventQueue) -> list[bytes]:
    found: Any = queue.redis.lrange(queue.buffer, 0, -1)
    return list(found)


def refused(queue: EventQueue, event: bytes = b"refused") -> float:
    """How many seconds it took to be refused."""
    started = time.perf_counter()
    with pytest.raises(Unavailable) as caught:
        queue.push([event])
    assert caught.value.code == "queue_unavailable"
    assert caught.value.retry_after_seconds > 0
    return time.perf_counter() - started


def push_once_it_answers(queue: EventQueue, event: bytes) -> None:
    """A push that timed out is followed by half a second of refusals."""

    def is_pushed() -> bool:
        try:
            queue.push([event])
        except Unavailable:
            return False
        return True

    wait_until(is_pushed)


def test_an_unanswered_push_leaves_time_to_say_so_within_a_second() -> None:
    assert CONNECT_TIMEOUT_SECONDS + QUEUE_TIMEOUT_SECONDS < 1


def test_a_restart_costs_no_push_and_no_event(door: EventQueue, valkey: ValkeyServer) -> None:
    door.push([b"1"])
    valkey.stop()
    valkey.start()
    door.push([b"2"])
    batch = door.claim()
    assert batch is not None
    assert batch.payloads == [b"1", b"2"]
    valkey.kill()
    valkey.start()
    assert door.push([b"3"]) == 1
    door.redis.zadd(door.batches, {batch.id: 1})
    assert door.claim() == batch


def test_forgotten_scripts_are_loaded_again(door: EventQueue) -> None:
    for number in range(3):
        door.redis.script_flush()
        door.push([b"%d" % number])
    door.redis.script_flush()
    batch = door.claim()
    assert batch is not None
    assert batch.payloads == [b"0", b"1", b"2"]


def test_a_killed_connection_is_replaced_without_an_error(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    # More often than redis-py's pool hands out connections: a long outage must end.
    with valkey.client() as admin:
        for number in range(150):
            admin.client_kill_filter(_type="normal", skipme=True)
            door.push([b"%d" % number])
    assert buffered(door) == [b"%d" % number for number in range(150)]


def test_a_dead_valkey_is_reported_at_once_and_every_time(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    door.push([b"before"])
    valkey.kill()
    # A time-out each time would make it a minute.
    assert sum(refused(door) for _ in range(200)) < 2 * BUSY_SECOND
    valkey.start()
    door.push([b"after"])
    assert buffered(door) == [b"before", b"after"]


def test_a_hanging_valkey_is_reported_within_a_second_and_to_the_next_at_once(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    door.push([b"before"])
    valkey.pause()
    assert refused(door) < BUSY_SECOND
    # Each for itself would wait half a second. So does the first after half a second.
    assert sum(refused(door) for _ in range(200)) < 4 * BUSY_SECOND
    for _ in range(2):  # again and again, for as long as it hangs
        time.sleep(0.5)
        assert refused(door) < BUSY_SECOND
    valkey.resume()
    push_once_it_answers(door, b"after")
    # What was sent before the silence was noticed may have been taken; it was never acknowledged.
    assert set(buffered(door)) <= {b"before", b"refused", b"after"}
    assert buffered(door)[0] == b"before"
    assert buffered(door)[-1] == b"after"


def test_many_callers_at_once_all_hear_of_it_within_a_second(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    door.push([b"before"])
    valkey.pause()
    with ThreadPoolExecutor(16) as threads:
        assert max(threads.map(lambda _: refused(door), range(64))) < BUSY_SECOND


def test_large_pushes_hang_no_longer_than_small_ones(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    door.push([b"before"])
    valkey.pause()
    assert refused(door, b"x" * 4_000_000) < BUSY_SECOND


def test_the_workers_verbs_raise_and_recover(door: EventQueue, valkey: ValkeyServer) -> None:
    door.push([b"1"])
    valkey.kill()
    for verb in (door.claim, door.leave, door.neglected, door.snapshot):
        with pytest.raises(redis.RedisError):
            verb()
    valkey.start()
    batch = door.claim()
    assert batch is not None
    assert batch.payloads == [b"1"]


def test_a_job_that_cannot_be_enqueued_does_not_cost_the_event(
    door: EventQueue, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wake() -> None:
        valkey.kill()
        EventQueue.wake(door)

    monkeypatch.setattr(door, "wake", wake)
    assert door.push([b"1"]) == 1
    valkey.start()
    assert buffered(door) == [b"1"]
    assert door.neglected()


@pytest.mark.parametrize("round_", range(3))
def test_what_was_accepted_survives_kill_9(
    make_queue: MakeQueue, valkey: ValkeyServer, round_: int
) -> None:
    door = make_queue(timeout_seconds=QUEUE_TIMEOUT_SECONDS)
    accepted: list[bytes] = []
    stop = threading.Event()

    def push(name: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            event = b"%d-%d" % (name, number)
            try:
                door.push([event])
            except Unavailable:
                continue
            accepted.append(event)

    threads = [threading.Thread(target=push, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            wait_for_more(accepted)
            time.sleep(0.1 + 0.03 * round_)
            valkey.kill()
            valkey.start()
        wait_for_more(accepted)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(accepted) <= set(buffered(door))
    assert door.snapshot().accepted == len(buffered(door))


def wait_for_more(accepted: list[bytes]) -> None:
    before = len(accepted)
    wait_until(lambda: len(accepted) > before + 100)


class FakeRedis:
    """Listens on a port and gives every request the same answer; None keeps silent."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with closing(connection):
                connection.settimeout(5)
                received = connection.recv(65_536)
                if received == b"stop":
                    return
                while received and self.answer is not None:
                    connection.sendall(self.answer)
                    received = connection.recv(65_536)

    def close(self) -> None:
        with closing(socket.create_connection(("127.0.0.1", self.port))) as connection:
            connection.sendall(b"stop")
        self.thread.join()
        self.listener.close()


@pytest.fixture
def fake(request: pytest.FixtureRequest) -> Iterator[FakeRedis]:
    fake = FakeRedis(request.param)
    yield fake
    fake.close()


@pytest.mark.parametrize(
    "fake",
    [
        b"-LOADING Valkey is loading the dataset in memory\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-MISCONF Errors writing to the AOF file\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        None,
    ],
    indirect=True,
    ids=["loading", "password", "replica", "disk", "no Redis", "hangs up"],
)
def test_whatever_stands_at_the_address_a_push_is_refused_in_time(
    make_queue: MakeQueue, fake: FakeRedis
) -> None:
    door = make_queue(timeout_seconds=0.5, redis_url=f"redis://127.0.0.1:{fake.port}/0")
    assert refused(door) < BUSY_SECOND
    assert refused(door) < BUSY_SECOND


def silent_listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def full_listener() -> socket.socket:
    """One whose queue of connections is full, so that the next ones hear nothing at all."""
    return socket.create_server(("127.0.0.1", 0), backlog=0)


@pytest.mark.parametrize("listen", [silent_listener, full_listener])
def test_an_address_that_never_answers_is_refused_in_time(
    make_queue: MakeQueue, listen: Callable[[], socket.socket]
) -> None:
    with closing(listen()) as listener:
        port = listener.getsockname()[1]
        with closing(socket.create_connection(("127.0.0.1", port))):
            door = make_queue(timeout_seconds=0.5, redis_url=f"redis://127.0.0.1:{port}/0")
            assert refused(door) < BUSY_SECOND


def test_a_closed_port_is_refused_at_once(make_queue: MakeQueue) -> None:
    door = make_queue(timeout_seconds=0.5, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    assert refused(door) < BUSY_SECOND
