"""Laws of the queue, on a real Valkey: whatever the order of calls, no event is lost or doubled."""

import threading
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.queue.event_queue import Batch, EventQueue
from tests.conftest import MakeQueue

BATCH_SIZE = 3


class QueueMachine(RuleBasedStateMachine):
    """Every verb in every order; several workers may hold one batch, as after an expired lease."""

    def __init__(self, queue: EventQueue) -> None:
        super().__init__()
        queue.redis.flushall()
        self.queue = queue
        self.pushed: list[bytes] = []
        self.cut: dict[str, Batch] = {}
        self.finished: set[str] = set()

    @rule(count=st.integers(1, 2 * BATCH_SIZE + 1))
    def push(self, count: int) -> None:
        events = [b"%d" % n for n in range(len(self.pushed), len(self.pushed) + count)]
        self.queue.push(events)
        self.pushed += events

    @rule(most=st.integers(0, 3 * BATCH_SIZE))
    def claim(self, most: int) -> None:
        batch = self.queue.claim(most)
        if batch is not None:
            assert self.cut.setdefault(batch.id, batch) == batch
            assert batch.id not in self.finished
            assert len(batch.payloads) <= 3 * BATCH_SIZE

    @rule(pick=st.integers(0), verb=st.sampled_from(["finish", "release", "renew", "halt"]))
    def settle(self, pick: int, verb: str) -> None:
        if self.cut:
            batch_id = sorted(self.cut)[pick % len(self.cut)]
            getattr(self.queue, verb)(batch_id)
            self.finished |= {batch_id} if verb == "finish" else set()

    @rule(pick=st.integers(0))
    def expire(self, pick: int) -> None:
        if self.cut:
            batch_id = sorted(self.cut)[pick % len(self.cut)]
            self.queue.redis.zadd(self.queue.batches, {batch_id: 1}, xx=True)

    @rule()
    def let_halt_pass(self) -> None:
        self.queue.redis.delete(self.queue.halted)

    @rule()
    def leave(self) -> None:
        assert self.queue.leave() is (self.queue.snapshot().queued == 0)

    @invariant()
    def every_event_is_in_one_place(self) -> None:
        buffered = self.queue.redis.lrange(self.queue.buffer, 0, -1)
        cut = [event for batch in self.cut.values() for event in batch.payloads]
        assert cut + buffered == self.pushed
        for batch_id, batch in self.cut.items():
            kept = self.queue.redis.lrange(self.queue.batch_prefix + batch_id, 0, -1)
            assert kept == ([] if batch_id in self.finished else batch.payloads)

    @invariant()
    def the_ledger_adds_up(self) -> None:
        backlog = self.queue.snapshot()
        done = sum(len(self.cut[batch_id].payloads) for batch_id in self.finished)
        assert backlog.accepted == len(self.pushed) == backlog.queued + backlog.processing + done
        assert set(backlog.batch_ids) == self.cut.keys() - self.finished


def test_no_event_is_lost_or_doubled_in_any_order(make_queue: MakeQueue) -> None:
    queue = make_queue(batch_size=BATCH_SIZE)

    class Machine(QueueMachine):
        def __init__(self) -> None:
            super().__init__(queue)

    run_state_machine_as_test(Machine, settings=settings(max_examples=60, stateful_step_count=30))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_workers_at_once_share_the_events_and_miss_none(
    make_queue: MakeQueue, batch_size: int
) -> None:
    queue = make_queue(batch_size=batch_size)
    pushed = [[b"%d-%d" % (door, n) for n in range(300)] for door in range(3)]
    taken: list[bytes] = []
    doors_closed = threading.Event()

    def door(events: list[bytes]) -> None:
        for first in range(0, len(events), 10):
            queue.push(events[first : first + 10])

    def worker() -> None:
        while True:
            was_last_look = doors_closed.is_set()
            batch = queue.claim()
            if batch is not None:
                taken.extend(batch.payloads)
                queue.finish(batch.id)
            elif was_last_look:
                return

    doors = [threading.Thread(target=door, args=(events,)) for events in pushed]
    workers = [threading.Thread(target=worker) for _ in range(3)]
    for thread in doors + workers:
        thread.start()
    for thread in doors:
        thread.join()
    doors_closed.set()
    for thread in workers:
        thread.join()
    assert Counter(taken) == Counter(event for events in pushed for event in events)
    assert queue.snapshot().accepted == 900
