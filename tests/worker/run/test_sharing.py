"""A backlog is shared: by all workers that are idle, in larger batches the longer it is."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select

from shared.db.database import writing_engine
from shared.db.tables import events
from shared.event import encode_event
from shared.queue.event_queue import Batch, EventQueue
from shared.settings import Settings
from tests.events import make_event
from tests.migration import migrate
from tests.servers import wait_until
from worker.batch.commit import commit_batch
from worker.run import drain as draining
from worker.run import pace
from worker.run.drain import Runtime, drain
from worker.stopping import StopFlag


class NotedQueue(EventQueue):
    """A queue that knows how many events each batch had that was claimed through it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sizes: list[int] = []

    def claim(self, most: int = 0) -> Batch | None:
        batch = super().claim(most)
        if batch is not None:
            self.sizes.append(len(batch.payloads))
            time.sleep(0.02)  # one that is very fast would leave nothing to the others
        return batch


class IdleWorker(threading.Thread):
    """Runs the jobs that there are, as RQ's worker does."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.queue = NotedQueue(settings)
        self.runtime = Runtime(self.queue, writing_engine(settings), StopFlag())

    def run(self) -> None:
        while not self.runtime.stopping.wait(0.001):
            if self.queue.redis.lpop(self.queue.rq.key):
                drain(self.runtime)

    def close(self) -> None:
        self.runtime.stopping.set()
        if self.ident is not None:
            self.join()
        self.queue.close()
        self.runtime.engine.dispose()


@pytest.fixture
def migrated(settings: Settings) -> Settings:
    engine = writing_engine(settings)
    migrate(engine)
    engine.dispose()
    return settings


def push(queue: EventQueue, number: int) -> None:
    queue.push([encode_event(make_event(n)) for n in range(number)])


def stored(runtime: Runtime) -> int:
    with runtime.engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(events)) or 0)


@pytest.fixture
def make_worker(migrated: Settings) -> Iterator[Callable[..., IdleWorker]]:
    """Workers with other settings: `make_worker(batch_size=10)`."""
    made: list[IdleWorker] = []

    def make(**changes: Any) -> IdleWorker:
        made.append(IdleWorker(replace(migrated, **changes)))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def test_a_backlog_that_nobody_adds_to_is_stored_by_all_workers(
    make_worker: Callable[..., IdleWorker],
) -> None:
    workers = [make_worker(batch_size=10, max_batch_size=10) for _ in range(4)]
    push(workers[0].queue, 200)
    assert workers[0].queue.rq.count == 1
    for worker in workers:
        worker.start()
    wait_until(lambda: stored(workers[0].runtime) == 200)
    batches = [len(worker.queue.sizes) for worker in workers]
    assert sum(batches) == 20
    assert all(batches)


def test_where_nobody_else_is_idle_no_jobs_pile_up(make_worker: Callable[..., IdleWorker]) -> None:
    worker = make_worker(batch_size=10, max_batch_size=10)
    push(worker.queue, 200)
    worker.queue.redis.delete(worker.queue.rq.key)
    drain(worker.runtime)
    assert len(worker.queue.sizes) == 20
    assert worker.queue.rq.count == 1


def test_batches_grow_with_the_backlog_and_shrink_back(
    make_worker: Callable[..., IdleWorker],
) -> None:
    worker = make_worker(batch_size=10, max_batch_size=80)
    push(worker.queue, 300)
    drain(worker.runtime)
    push(worker.queue, 5)
    drain(worker.runtime)
    assert worker.queue.sizes == [10, 20, 40, 80, 80, 70, 5]
    assert stored(worker.runtime) == 300


def test_where_a_transaction_takes_too_long_the_next_is_smaller(
    make_worker: Callable[..., IdleWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_slowly(*args: Any) -> Any:
        time.sleep(0.2)
        return commit_batch(*args)

    monkeypatch.setattr(pace, "TARGET_SECONDS", 0.1)
    monkeypatch.setattr(draining, "commit_batch", commit_slowly)
    worker = make_worker(batch_size=10, max_batch_size=80)
    worker.runtime.pace.most = 80
    push(worker.queue, 120)
    drain(worker.runtime)
    assert worker.queue.sizes[0] == 80
    assert 10 <= worker.queue.sizes[1] < 40


def test_after_a_failed_transaction_batches_begin_small_again(
    make_worker: Callable[..., IdleWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "BUDGET_SECONDS", 0.5)
    worker = make_worker(batch_size=10, max_batch_size=80)
    worker.runtime.pace.most = 80
    push(worker.queue, 100)
    away = create_engine("mysql+pymysql://nobody@127.0.0.1:1/none")
    worker.runtime.engine, there = away, worker.runtime.engine
    drain(worker.runtime)
    assert worker.runtime.pace.most == 10
    worker.runtime.engine = there
    drain(worker.runtime)
    assert worker.queue.sizes[0] == 80
    assert worker.queue.sizes[-2:] == [80, 20]  # the one that was kept never changes
    assert stored(worker.runtime) == 100


@pytest.mark.parametrize(
    ("events", "seconds", "expected"),
    [
        (100, 0.5, 200),
        (400, 0.5, 400),  # as large as it may be
        (99, 0.5, 100),  # one that was not full tells little
        (100, 1.5, 100),
        (100, 4.0, 50),
        (100, 400.0, 50),  # as small as it may be
        (10, 4.0, 50),
    ],
)
def test_the_pace_follows_the_last_transaction(events: int, seconds: float, expected: int) -> None:
    kept = pace.Pace(50, 400)
    kept.most = min(max(events, 100), 400)
    kept.note(events, seconds)
    assert kept.most == expected
