"""From the spool to Redis: in order, and once, however often it is begun."""

import os
import shutil
from pathlib import Path

import pytest
import redis

from ingestion.delivery import replay as replay_module
from ingestion.delivery.home import Home
from ingestion.delivery.keeper import Keeper
from ingestion.delivery.records import Record
from ingestion.delivery.replay import calls_of, replay
from ingestion.delivery.spool import Spool
from ingestion.sites.site_book import SiteBook
from ingestion.visitor.salts import Salts
from shared.clock import now_ms
from shared.queue.event_queue import EventQueue
from shared.queue.push_command import NotTaken, Place, new_stream
from shared.queue.spooled import FORGOTTEN_MS, Spooled, silent_events
from shared.settings import Settings
from tests.conftest import MakeQueue
from tests.ingestion.delivery.kept import LARGE, event, files_in, keep, keep_at_once
from tests.ingestion.wsgi import payloads
from tests.servers import ValkeyServer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(root: Path) -> Spool:
    return Spool(root, LARGE)


def keeper_of(spool: Spool, queue: EventQueue) -> Keeper:
    return Keeper(queue, spool, Salts(queue), now_ms)


def always(home: Home, queue: EventQueue) -> bool:
    return replay(home, queue, lambda: False)


def closed(spool: Spool) -> Home:
    home = spool.close_file()
    assert home is not None
    return home


def names(first: int, last: int) -> list[bytes]:
    return [event(f"{number}") for number in range(first, last)]


def test_what_was_kept_is_pushed_in_order_and_removed(
    spool: Spool, root: Path, queue: EventQueue
) -> None:
    keep(spool, *[[each] for each in names(0, 10)], names(10, 30))
    assert always(closed(spool), queue)
    assert payloads(queue) == names(0, 30)
    assert files_in(root) == []
    assert queue.snapshot().accepted == 30
    assert queue.neglected() is False  # a job was enqueued


def test_a_file_that_is_left_is_pushed_again_and_adds_nothing(
    spool: Spool, root: Path, queue: EventQueue
) -> None:
    """As after a kill between the last push and the removal."""
    keep(spool, *[[each] for each in names(0, 10)])
    home = closed(spool)
    [path] = files_in(root)
    data, [kept] = path.read_bytes(), home.closed
    assert always(home, queue)
    path.write_bytes(data)
    home.closed.append(kept)
    assert always(home, queue)
    assert payloads(queue) == names(0, 10)


def test_a_file_of_which_a_part_is_there_is_completed(
    spool: Spool, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill in the middle, and by the process that takes it over."""
    monkeypatch.setattr(replay_module, "CALL_EVENTS", 3)
    keep(spool, *[[each] for each in names(0, 10)])
    home = closed(spool)
    pushed = queue.push_again
    calls = 0

    def ends(*args: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return pushed(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(queue, "push_again", ends)
    with pytest.raises(KeyboardInterrupt):
        always(home, queue)
    assert payloads(queue) == names(0, 6)
    os.close(home.lock)
    [taken] = Spool(spool.root, LARGE).abandoned()
    assert always(taken, queue)
    assert payloads(queue) == names(0, 10)


def test_what_redis_executed_without_an_answer_is_not_there_twice(
    spool: Spool, queue: EventQueue
) -> None:
    stream = new_stream()
    assert queue.push_again([[event("a")], [event("b")]], Place(stream, 1))
    places = [Place(stream, number) for number in range(1, 5)]
    requests = list(zip(places, ([event(name)] for name in "abcd"), strict=True))
    keep_at_once(spool, *requests)
    assert always(closed(spool), queue)
    assert payloads(queue) == [event(name) for name in "abcd"]


def test_a_backlog_that_is_full_is_waited_for(
    spool: Spool, root: Path, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "CALL_EVENTS", 2)
    queue = make_queue(max_backlog=4, batch_size=4)
    keep(spool, *[[each] for each in names(0, 10)])
    home = closed(spool)
    found: list[bytes] = []
    for _ in range(2):
        assert not always(home, queue)
        assert not always(home, queue)
        assert len(files_in(root)) == 1
        # What is in Redis is not sent, nor reported, again.
        assert home.events + queue.snapshot().accepted == 10
        batch = queue.claim()
        assert batch is not None
        queue.finish(batch.id)
        found += batch.payloads
    assert always(home, queue)
    assert found + payloads(queue) == names(0, 10)
    assert files_in(root) == []


def test_with_redis_away_nothing_is_removed(
    spool: Spool, root: Path, make_queue: MakeQueue, valkey: ValkeyServer
) -> None:
    queue = make_queue(timeout_seconds=0.5)
    keep(spool, names(0, 3))
    home = closed(spool)
    valkey.kill()
    with pytest.raises(NotTaken):
        always(home, queue)
    assert len(files_in(root)) == len(home.closed) == 1
    valkey.start()
    assert always(home, queue)
    assert payloads(queue) == names(0, 3)


def test_what_could_not_be_taken_back_from_a_file_is_not_pushed(
    spool: Spool, root: Path, queue: EventQueue
) -> None:
    keep(spool, [event("kept")])
    home = closed(spool)
    [path] = files_in(root)
    path.write_bytes(path.read_bytes() * 2)
    assert always(home, queue)
    assert payloads(queue) == [event("kept")]


def test_it_stops_where_ingestion_does(spool: Spool, root: Path, queue: EventQueue) -> None:
    keep(spool, [event("kept")])
    assert not replay(closed(spool), queue, lambda: True)
    assert len(files_in(root)) == 1


def record(stream: str, number: int, *events: bytes) -> Record:
    return Record(Place(stream, number), list(events))


def test_a_call_holds_consecutive_places_of_one_stream() -> None:
    records = [
        record("a", 1, b"1"),
        record("a", 2, b"2"),
        record("a", 4, b"4"),
        record("b", 5, b"5"),
        record("b", 6, b"6"),
    ]
    calls = [call.records for call in calls_of(enumerate(records))]
    assert calls == [records[:2], records[2:3], records[3:]]


@pytest.mark.parametrize(
    ("events", "sizes"),
    [([b"x"] * 400, [2, 2, 1]), ([b"x" * 300_000], [1] * 5), ([b"x"] * 3000, [1] * 5)],
    ids=["events", "bytes", "one too large"],
)
def test_a_call_has_bounds_and_a_request_is_taken_whole(
    events: list[bytes], sizes: list[int]
) -> None:
    calls = calls_of((0, record("a", number, *events)) for number in range(1, 6))
    assert [len(call.records) for call in calls] == sizes


def test_a_keeper_reports_what_waits_until_nothing_does(
    spool: Spool, make_queue: MakeQueue
) -> None:
    queue = make_queue(max_backlog=2, batch_size=2)
    keeper = keeper_of(spool, queue)
    queue.push(names(0, 2))
    keep(spool, [event("kept", received_at=77)], [event("more", received_at=99)])
    keeper.work()
    [spooled] = queue.snapshot().spools
    assert (spooled.events, spooled.oldest_received_at) == (2, 77)
    assert spooled.bytes == spool.used_bytes()
    batch = queue.claim()
    assert batch is not None
    keeper.work()
    assert queue.snapshot().spools == []
    assert payloads(queue) == [event("kept", received_at=77), event("more", received_at=99)]


def test_a_keeper_replays_what_other_processes_left(
    spool: Spool, root: Path, queue: EventQueue
) -> None:
    for number in range(3):
        dead = Spool(root, LARGE)
        keep(dead, [event(f"{number}")])
        assert dead.own is not None
        os.close(dead.own.lock)
    keeper_of(spool, queue).work()
    assert sorted(payloads(queue)) == names(0, 3)
    assert list(root.iterdir()) == []


def test_a_report_is_taken_back_also_where_redis_went_in_between(
    spool: Spool, root: Path, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Spool(root, LARGE)
    keep(dead, [event("1")])
    assert dead.own is not None
    os.close(dead.own.lock)
    keeper = keeper_of(spool, queue)
    with monkeypatch.context() as patched:
        reported = queue.report_spool

        def report(name: str, spooled: object) -> None:
            if spooled is None:
                raise redis.ConnectionError("away")
            reported(name, spooled)  # type: ignore[arg-type]

        patched.setattr(queue, "report_spool", report)
        with pytest.raises(redis.ConnectionError):
            keeper.work()
    assert len(queue.snapshot().spools) == 1
    keeper.work()
    assert queue.snapshot().spools == []


def test_a_file_that_cannot_be_read_stops_no_other(
    spool: Spool, root: Path, queue: EventQueue, caplog: pytest.LogCaptureFixture
) -> None:
    dead = Spool(root, LARGE)
    keep(dead, [event("unreadable")])
    assert dead.own is not None
    os.close(dead.own.lock)
    keeper = keeper_of(spool, queue)
    keeper.take_over()
    [path] = files_in(root)
    hidden = path.rename(root / "elsewhere")
    keep(spool, [event("1")])
    keeper.work()
    assert payloads(queue) == [event("1")]
    assert "cannot be read" in caplog.text
    hidden.rename(path)
    keeper.work()
    assert payloads(queue) == [event("1"), event("unreadable")]


def test_what_was_left_and_then_taken_away_is_given_up(
    spool: Spool, root: Path, queue: EventQueue
) -> None:
    dead = Spool(root, LARGE)
    keep(dead, [event("gone")])
    assert dead.own is not None
    os.close(dead.own.lock)
    keeper = keeper_of(spool, queue)
    keeper.take_over()
    shutil.rmtree(dead.own.directory)
    keeper.work()
    assert keeper.abandoned == []
    keeper.work()
    assert queue.snapshot().spools == []


def test_a_spool_that_is_taken_away_is_not_reported_any_more(
    spool: Spool, root: Path, make_queue: MakeQueue
) -> None:
    queue = make_queue(max_backlog=1, batch_size=1)
    keeper = keeper_of(spool, queue)
    queue.push(names(0, 1))
    keep(spool, [event("lost")])
    keeper.work()
    assert len(queue.snapshot().spools) == 1
    shutil.rmtree(root)
    keeper.work()
    assert queue.snapshot().spools == []
    keep(spool, [event("kept")])
    keeper.work()
    assert [told.events for told in queue.snapshot().spools] == [1]


def test_what_a_machine_told_that_is_gone_is_seen_for_a_month(
    spool: Spool, queue: EventQueue, caplog: pytest.LogCaptureFixture
) -> None:
    now = now_ms()
    queue.report_spool("gone", Spooled(5, 500, now - 2 * FORGOTTEN_MS, now - FORGOTTEN_MS - 60_000))
    queue.report_spool("away", Spooled(7, 700, now - 2 * FORGOTTEN_MS, now - FORGOTTEN_MS + 60_000))
    assert silent_events(queue.snapshot().spools, now) == 12
    keeper_of(spool, queue).work()
    assert [told.events for told in queue.snapshot().spools] == [7]
    assert "gave up 5 events in the spool gone" in caplog.text


def test_a_keeper_ends_when_it_is_told(spool: Spool, queue: EventQueue) -> None:
    keeper = keeper_of(spool, queue)
    keeper.start()
    keeper.start()
    thread = keeper.thread
    keeper.stop()
    assert thread is not None
    assert not thread.is_alive()


@pytest.mark.parametrize("fault", [OSError(28, "no space"), redis.ConnectionError("away")])
def test_the_spool_does_not_wait_for_what_is_set_for_sites(
    spool: Spool, settings: Settings, queue: EventQueue, fault: Exception
) -> None:
    class Unlucky(SiteBook):
        def look(self) -> None:
            raise fault

    keeper = keeper_of(spool, queue)
    keeper.sites = Unlucky(settings, queue)
    keep(spool, names(0, 5))
    keeper.work()
    assert payloads(queue) == names(0, 5)
