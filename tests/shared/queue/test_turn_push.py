"""Pushing from a loop: a turn's requests in one call, and one outcome for each request."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from ingestion.delivery.delivery import LoopDelivery
from ingestion.delivery.replay import replay
from ingestion.delivery.spool import Spool
from shared.errors import Unavailable
from shared.queue import push_command, turn_push
from shared.queue.event_queue import EventQueue
from shared.queue.push_command import NotTaken
from shared.queue.turn_push import TurnPush, Waiting
from tests.conftest import MakeQueue
from tests.looped import run_looped
from tests.servers import PATIENCE_SECONDS, ValkeyServer

Outcome = BaseException | None


@pytest.fixture
def door(make_queue: MakeQueue) -> EventQueue:
    """A queue as ingestion has it."""
    return make_queue(timeout_seconds=0.5)


def waiting(queue: EventQueue) -> list[bytes]:
    found: Any = queue.redis.lrange(queue.buffer, 0, -1)
    return list(found)


def refuse(requests: Sequence[Waiting], fault: NotTaken) -> None:
    for request in requests:
        request.settle(fault)


@asynccontextmanager
async def pushing(queue: EventQueue) -> AsyncIterator[TurnPush]:
    turns = TurnPush(queue, refuse)
    await push(turns, [])  # so that it is connected
    try:
        yield turns
    finally:
        await turns.close()


async def push(turns: TurnPush | LoopDelivery, *requests: list[bytes]) -> list[Outcome]:
    """Push requests in one turn; what became of each."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        pushed = [turns.push(events) for events in requests]
        outcomes = await asyncio.gather(*pushed, return_exceptions=True)
    return [None if isinstance(outcome, bool) else outcome for outcome in outcomes]


def calls(valkey: ValkeyServer) -> int:
    """How often a script was called so far."""
    with valkey.client() as client:
        return int(client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


def in_thread(function: Callable[[], object]) -> "asyncio.Future[object]":
    return asyncio.get_running_loop().run_in_executor(None, function)


async def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def until_taken(turns: TurnPush, event: bytes) -> None:
    """Push until it is answered: it connects by itself, and some are refused meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await push(turns, [event]) != [None]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_all_requests_of_a_turn_are_one_call(door: EventQueue, valkey: ValkeyServer) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            before = calls(valkey)
            requests = [[b"%d" % n, b"and"] for n in range(200)]
            assert await push(turns, *requests) == [None] * 200
            assert calls(valkey) == before + 1
            assert waiting(door) == [event for events in requests for event in events]

    run_looped(run())


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([[b"x"] * 1000] * 9, 3),
        ([[b"x" * 300_000]] * 7, 3),
        ([[b"x"] * 10_000, [b"y"] * 10_000], 2),
        ([[b"x" * 3_000_000], [b"y"], [b"z"]], 2),
    ],
    ids=["events", "bytes", "more events than a call", "more bytes than a call"],
)
def test_a_call_has_bounds_and_a_request_is_never_cut(
    door: EventQueue, valkey: ValkeyServer, requests: list[list[bytes]], expected: int
) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            before = calls(valkey)
            assert await push(turns, *requests) == [None] * len(requests)
            assert calls(valkey) == before + expected
            assert waiting(door) == [event for events in requests for event in events]

    run_looped(run())


def test_what_cannot_be_on_its_way_at_once_waits_and_comes_in_order(
    door: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_push, "CALL_EVENTS", 1)
    monkeypatch.setattr(turn_push, "MAX_CALLS", 2)

    async def run() -> None:
        async with pushing(door) as turns:
            assert await push(turns, *[[b"%d" % n] for n in range(100)]) == [None] * 100
            assert waiting(door) == [b"%d" % n for n in range(100)]

    run_looped(run())


def test_a_full_backlog_refuses_each_request_by_itself(make_queue: MakeQueue) -> None:
    queue = make_queue(max_backlog=3)

    async def run() -> None:
        async with pushing(queue) as turns:
            outcomes = await push(turns, [b"a"], [b"b", b"c"], [b"d"], [b"e"])
            assert outcomes[:2] == [None, None]
            for outcome in outcomes[2:]:
                assert isinstance(outcome, Unavailable)
                assert outcome.code == "backlog_full"
            queue.redis.delete(queue.buffer)
            assert await push(turns, [b"f"]) == [None]
            assert waiting(queue) == [b"f"]

    run_looped(run())


def test_a_job_is_enqueued_for_what_came(door: EventQueue) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            assert await push(turns, [b"a"]) == [None]
            await until(lambda: door.redis.llen(door.rq.key) == 1)
            await push(turns, [b"b"])
        assert door.redis.llen(door.rq.key) == 1

    run_looped(run())


def test_what_is_executed_too_late_is_refused(
    door: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            with monkeypatch.context() as patched:
                patched.setattr(push_command.ServerClock, "deadline", lambda _: 1)
                [outcome] = await push(turns, [b"late"])
            assert isinstance(outcome, NotTaken)
            await until_taken(turns, b"after")
            assert waiting(door) == [b"after"]

    run_looped(run())


def test_a_connection_that_was_killed_is_replaced_by_itself(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            for number in range(20):
                with valkey.client() as admin:
                    admin.client_kill_filter(_type="normal", skipme=True)
                await until(lambda: turns.link and turns.fault is None)
                await until_taken(turns, b"%d" % number)
            assert waiting(door) == [b"%d" % n for n in range(20)]

    run_looped(run())


def test_forgotten_scripts_are_loaded_again(door: EventQueue) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            door.redis.script_flush()
            await until_taken(turns, b"1")
            assert waiting(door) == [b"1"]

    run_looped(run())


def test_a_server_that_refuses_is_not_connected_to_a_hundred_times_a_second(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            with valkey.client() as admin:
                admin.replicaof("127.0.0.1", "1")
                before = admin.info("stats")["total_connections_received"]
                began = time.monotonic()
                while time.monotonic() - began < 1:
                    [outcome] = await push(turns, [b"refused"])
                    assert isinstance(outcome, NotTaken)
                made = admin.info("stats")["total_connections_received"] - before
                admin.replicaof("NO", "ONE")
            assert made < 12
            await until_taken(turns, b"after")
            assert waiting(door) == [b"after"]

    run_looped(run())


def test_without_redis_each_is_refused_at_once_and_none_waits(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            valkey.kill()
            for _ in range(20):
                outcomes = await push(turns, *[[b"refused"]] * 50)
                assert all(isinstance(outcome, NotTaken) for outcome in outcomes)
            valkey.start()
            await until_taken(turns, b"after")
            assert waiting(door) == [b"after"]

    run_looped(run())


def test_an_outage_gathers_no_tracebacks(door: EventQueue, valkey: ValkeyServer) -> None:
    valkey.kill()

    async def run() -> None:
        turns = TurnPush(door, refuse)
        depths = []
        for _ in range(50):
            try:
                await turns.push([b"refused"])
            except NotTaken as error:
                depths.append(depth_of(error))
        await turns.close()
        assert max(depths) < 10

    run_looped(run())


def depth_of(error: BaseException) -> int:
    depth, traceback = 0, error.__traceback__
    while traceback is not None:
        depth, traceback = depth + 1, traceback.tb_next
    return depth


def test_a_hanging_redis_is_noticed_in_time_and_what_hung_is_executed_by_nobody(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            valkey.pause()
            outcomes = await push(turns, [b"hung"], [b"hung"])
            assert all(isinstance(outcome, NotTaken) for outcome in outcomes)
            await asyncio.sleep(push_command.PUSH_SECONDS)
            valkey.resume()
            await until_taken(turns, b"after")
            assert waiting(door) == [b"after"]

    run_looped(run())


def test_whoever_has_gone_is_no_trouble(door: EventQueue) -> None:
    async def run() -> None:
        async with pushing(door) as turns:
            gone = turns.push([b"gone"])
            gone.cancel()
            assert await push(turns, [b"here"]) == [None]
            assert waiting(door) == [b"gone", b"here"]

    run_looped(run())


def test_at_the_end_what_is_on_its_way_is_waited_for(door: EventQueue) -> None:
    async def run() -> None:
        turns = TurnPush(door, refuse)
        await push(turns, [])
        future = turns.push([b"last"])
        await asyncio.sleep(0)
        await turns.close()
        assert future.done()
        assert future.exception() is None
        assert waiting(door) == [b"last"]

    run_looped(run())


def test_at_the_end_what_is_not_answered_is_handed_on(
    door: EventQueue, valkey: ValkeyServer
) -> None:
    async def run() -> None:
        turns = TurnPush(door, refuse)
        await push(turns, [])
        valkey.pause()
        futures = [turns.push([b"unanswered"])]
        await asyncio.sleep(0)
        futures.append(turns.push([b"unsent"]))
        await turns.close()
        assert all(isinstance(future.exception(), NotTaken) for future in futures)

    run_looped(run())


class Nonsense:
    """Listens on a port and answers each command with the same that is none of Redis'."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.ended = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while not self.ended:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with closing(connection):
            while received := connection.recv(65_536):
                connection.sendall(self.answer * max(1, received.count(b"*")))

    def close(self) -> None:
        self.ended = True
        with closing(socket.create_connection(("127.0.0.1", self.port))):
            pass
        self.listener.close()


@pytest.fixture(
    params=[
        b"+OK\r\n",
        b":1\r\n",
        b"*0\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-LOADING Valkey is loading the dataset in memory\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
    ],
    ids=["OK", "a number", "a list", "HTTP", "loading", "password", "primary is down"],
)
def nonsense(request: pytest.FixtureRequest) -> Iterator[Nonsense]:
    server = Nonsense(request.param)
    yield server
    server.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_is_no_redis_refuses_and_is_tried_again(
    make_queue: MakeQueue, nonsense: Nonsense
) -> None:
    queue = make_queue(timeout_seconds=0.5, redis_url=f"redis://127.0.0.1:{nonsense.port}/0")

    async def run() -> None:
        turns = TurnPush(queue, refuse)
        for _ in range(2):
            [outcome] = await push(turns, [b"1"])
            assert isinstance(outcome, NotTaken)
            await asyncio.sleep(turn_push.REOPEN_SECONDS)
        assert turns.link or turns.opening
        await turns.close()

    run_looped(run())


def replay_all(spool: Spool, queue: EventQueue) -> None:
    home = spool.close_file()
    if home is not None:
        assert replay(home, queue, lambda: False)


def kill_connections(valkey: ValkeyServer) -> None:
    with valkey.client() as admin:
        for _ in range(30):
            admin.client_kill_filter(_type="normal", skipme=True)
            time.sleep(0.011)


def pause_shortly(valkey: ValkeyServer) -> None:
    valkey.pause()
    time.sleep(0.7)
    valkey.resume()


def restart(valkey: ValkeyServer) -> None:
    valkey.stop()
    valkey.start()


@pytest.mark.parametrize("harm", [kill_connections, pause_shortly, restart])
def test_with_calls_on_their_way_each_event_is_there_once_after_the_replay(
    make_queue: MakeQueue,
    valkey: ValkeyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[ValkeyServer], None],
) -> None:
    """Also of a pause during which one call came late, and the next one did not."""
    monkeypatch.setattr(turn_push, "CALL_EVENTS", 20)
    queue = make_queue(timeout_seconds=0.5)
    spool = Spool(tmp_path / "spool", 1 << 30)
    events: list[bytes] = []

    done = threading.Event()

    async def run() -> None:
        delivery = LoopDelivery(queue, spool)
        await push(delivery, [])
        pending = []
        while not done.is_set():
            new = [b"%d" % n for n in range(len(events), len(events) + 20)]
            events.extend(new)
            pending += [delivery.push([each]) for each in new]
            await asyncio.sleep(0.03)  # so that those on their way at once have several deadlines
        async with asyncio.timeout(PATIENCE_SECONDS):
            # In Redis, or in the spool.
            assert set(await asyncio.gather(*pending)) <= {True, False}
        await delivery.close()

    with ThreadPoolExecutor(1) as threads:
        ran = threads.submit(asyncio.run, run())
        try:
            for _ in range(3):
                time.sleep(0.1)
                harm(valkey)
        finally:
            done.set()
        ran.result(PATIENCE_SECONDS)
    time.sleep(push_command.PUSH_SECONDS)  # for what is still executed
    replay_all(spool, queue)
    assert sorted(waiting(queue), key=int) == events
