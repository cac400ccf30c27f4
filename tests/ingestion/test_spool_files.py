"""The spool's files while Redis answers and takes no events, and when directories vanish."""

import fcntl
import os
from pathlib import Path

import pytest

from ingestion.app import Ingestion
from ingestion.delivery.records import Record
from ingestion.delivery.replay import CALL_BYTES, CALL_EVENTS, calls_of
from ingestion.delivery.spool import LOCK, SUFFIX, Home, Spool, try_lock
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue
from shared.queue.push_command import Place
from tests.ingestion.wsgi import ONE, post, queued
from tests.redis_faults import out_of_memory
from tests.servers import ValkeyServer


def files_in(ingestion: Ingestion) -> list[Path]:
    return list(ingestion.door.spool.root.glob(f"*/*{SUFFIX}"))


def test_one_file_grows_while_redis_answers_and_takes_nothing(
    ingestion: Ingestion, valkey: ValkeyServer, queue: EventQueue
) -> None:
    door = ingestion.door
    door.keeper.start()
    door.keeper.stop()  # its rounds are ours
    with valkey.client() as admin, out_of_memory(admin, valkey.directory):
        for _ in range(3):
            assert post(ingestion, ONE).status == 202
            with pytest.raises(Unavailable):
                door.keeper.work()
        assert len(files_in(ingestion)) == 1
    door.keeper.work()
    assert files_in(ingestion) == []
    assert len(queued(queue)) == 3


def test_a_lock_in_a_directory_that_was_removed_is_none(tmp_path: Path) -> None:
    holder = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert try_lock(tmp_path) is None
    os.close(holder)
    lock = try_lock(tmp_path)
    assert lock is not None
    os.close(lock)


def test_a_fault_of_ours_is_answered_and_ends_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 1 << 20)
    no_place = Place("s", object())  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(Unavailable):
            spool.wait_to_keep(no_place, [b"[]"])
    spool.wait_to_keep(None, [b"[]"])


@pytest.mark.parametrize(
    ("events", "calls"), [([b"x"] * 400, 3), ([b"x" * (CALL_BYTES // 2)], 3), ([b"x"] * 2000, 5)]
)
def test_what_is_replayed_at_once_is_bounded(events: list[bytes], calls: int) -> None:
    records = [Record(Place("s", number), events) for number in range(1, 6)]
    made = list(calls_of(records))
    assert [record for call in made for record in call.records] == records
    assert len(made) == calls
    for call in made:
        assert len(call.records) == 1 or call.events <= CALL_EVENTS


def test_only_consecutive_places_of_one_stream_are_one_call() -> None:
    places = [Place("a", 1), Place("a", 2), Place("a", 4), Place("b", 5), Place("b", 6)]
    made = calls_of(Record(place, [b"x"]) for place in places)
    assert [[record.place for record in call.records] for call in made] == [
        places[:2],
        places[2:3],
        places[3:],
    ]


def test_a_spool_that_was_taken_over_leaves_nothing_behind(
    ingestion: Ingestion, valkey: ValkeyServer, queue: EventQueue
) -> None:
    spool, keeper = ingestion.door.spool, ingestion.door.keeper
    event = queue_event(ingestion, queue)
    left = Home.new(spool.root)
    left.append([(None, [event])])
    left.close_file()
    os.close(left.lock)
    keeper.take_over()
    [home] = keeper.abandoned
    keeper.report([home])
    assert [spooled.events for spooled in queue.snapshot().spools] == [1]
    keeper.replay(home)
    assert queue.snapshot().spools == []
    assert keeper.abandoned == []
    assert list(spool.root.iterdir()) == []


def queue_event(ingestion: Ingestion, queue: EventQueue) -> bytes:
    """An event as it waits in the buffer, taken from there."""
    assert post(ingestion, ONE).status == 202
    event = queue.redis.lpop(queue.buffer)
    assert isinstance(event, bytes)
    return event
