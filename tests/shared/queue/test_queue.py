import json
import zlib
from dataclasses import replace

import pytest
import redis

from shared.errors import Unavailable
from shared.event import Event, encode_event
from shared.queue import event_queue
from shared.queue.event_queue import Batch, EventQueue, periodic_queue_name
from shared.settings import Settings
from tests.conftest import MakeQueue


@pytest.fixture
def small(make_queue: MakeQueue) -> EventQueue:
    """A queue whose batches have three events."""
    return make_queue(batch_size=3)


def numbered(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


def claimed(queue: EventQueue) -> Batch:
    batch = queue.claim()
    assert batch is not None
    return batch


def expire(queue: EventQueue, batch: Batch) -> None:
    """As if the batch's owner had not been heard of for a long time."""
    queue.redis.zadd(queue.batches, {batch.id: 1}, xx=True)


def forget_jobs(queue: EventQueue) -> None:
    queue.rq.empty()  # type: ignore[no-untyped-call]


def jobs(queue: EventQueue) -> int:
    return len(queue.rq.job_ids)


def test_push_appends_in_order_and_counts_what_it_accepted(queue: EventQueue) -> None:
    assert queue.push(numbered(1, 2)) == 2
    assert queue.push(numbered(3)) == 3
    assert queue.redis.lrange(queue.buffer, 0, -1) == numbered(1, 2, 3)
    backlog = queue.snapshot()
    assert (backlog.accepted, backlog.queued, backlog.processing) == (3, 3, 0)


def test_a_thousand_events_of_any_bytes_are_one_push(queue: EventQueue) -> None:
    events = [bytes(range(256)) + b"\r\n$-1\r\n%d" % n for n in range(1000)]
    assert queue.push(events) == 1000
    assert claimed(queue).payloads == events


def test_the_first_push_enqueues_one_job_and_the_next_none(queue: EventQueue) -> None:
    queue.push(numbered(1))
    assert jobs(queue) == 1
    queue.push(numbered(2, 3))
    assert jobs(queue) == 1


def test_the_job_names_the_workers_function_in_json(queue: EventQueue) -> None:
    queue.push(numbered(1))
    [job] = queue.rq.jobs
    assert (job.func_name, job.args, job.kwargs) == ("worker.jobs.drain", [], {})
    assert (job.result_ttl, job.timeout) == (0, 300)
    stored = queue.redis.hget(job.key, "data")
    assert isinstance(stored, bytes)
    assert json.loads(zlib.decompress(stored))[0] == "worker.jobs.drain"


def test_while_somebody_drains_a_push_enqueues_nothing(small: EventQueue) -> None:
    small.push(numbered(1))
    forget_jobs(small)
    assert claimed(small).payloads == numbered(1)
    small.push(numbered(2))
    assert jobs(small) == 0


def test_growing_past_a_batch_enqueues_another_job(small: EventQueue) -> None:
    small.push(numbered(1))
    forget_jobs(small)
    claimed(small)
    for number, expected in [(2, 0), (3, 0), (4, 1), (5, 1)]:
        small.push(numbered(number))
        assert jobs(small) == expected
    forget_jobs(small)
    small.push(numbered(6))
    assert jobs(small) == 0
    small.push(numbered(7, 8, 9, 10))
    assert jobs(small) == 1


def test_a_claim_wakes_whoever_is_idle_while_another_batch_waits(small: EventQueue) -> None:
    small.push(numbered(*range(11)))
    forget_jobs(small)
    for expected in (1, 1):  # 8 and 5 wait, and one job is enough
        claimed(small)
        assert jobs(small) == expected
    forget_jobs(small)
    claimed(small)
    assert jobs(small) == 0  # two are no batch


def test_a_claim_wakes_whoever_is_idle_while_a_batch_waits_to_be_adopted(small: EventQueue) -> None:
    small.push(numbered(1))
    first = claimed(small)
    small.push(numbered(2))
    second = claimed(small)
    forget_jobs(small)
    for batch in (first, second):
        small.release(batch.id)
    claimed(small)
    assert jobs(small) == 1
    forget_jobs(small)
    claimed(small)
    assert jobs(small) == 0


def test_a_claim_stands_where_no_job_can_be_enqueued(
    small: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise redis.TimeoutError

    small.push(numbered(*range(6)))
    forget_jobs(small)
    monkeypatch.setattr(small, "wake", fail)
    assert claimed(small).payloads == numbered(0, 1, 2)


def test_a_worker_that_may_takes_its_share_of_what_waits(small: EventQueue) -> None:
    small.push(numbered(*range(40)))
    assert len(small.claim(10).payloads) == 10  # type: ignore[union-attr]
    small.report("a")
    assert len(small.claim(20).payloads) == 20  # type: ignore[union-attr]
    small.report("b")
    assert len(small.claim(20).payloads) == 5  # type: ignore[union-attr]
    assert small.snapshot().queued == 5
    assert len(small.claim(20).payloads) == 3  # type: ignore[union-attr]


def test_a_batch_has_so_many_bytes_at_most(
    small: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queue, "MAX_BATCH_BYTES", 100)
    events = [b"x" * size for size in (60, 40, 1, 300, 20, 90)]
    small.push(events)
    assert (
        [claimed(small).payloads for _ in range(5)]
        == [
            events[:2],
            events[2:3],
            events[3:4],  # what has more by itself
            events[4:5],
            events[5:],
        ]
    )
    assert small.claim() is None
    small.push([b"x"])
    assert small.snapshot().queued_bytes == 1


def test_a_whole_batch_is_neglected_also_beside_one_who_drains(small: EventQueue) -> None:
    small.push(numbered(*range(6)))
    claimed(small)
    small.push(numbered(7))
    forget_jobs(small)
    assert small.neglected()
    claimed(small)
    assert not small.neglected()


def test_an_empty_queue_has_nothing_to_claim(queue: EventQueue) -> None:
    assert queue.claim() is None
    assert queue.snapshot().batch_ids == []


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("surplus", [-1, 0, 1])
def test_a_claim_takes_the_oldest_up_to_the_batch_size(
    make_queue: MakeQueue, size: int, surplus: int
) -> None:
    queue = make_queue(batch_size=size)
    events = numbered(*range(size + surplus))
    for first in range(0, len(events), 1000):
        queue.push(events[first : first + 1000])
    batch = queue.claim()
    assert (batch.payloads if batch else []) == events[:size]
    assert queue.redis.lrange(queue.buffer, 0, -1) == events[size:]


def test_a_claimed_batch_never_changes(small: EventQueue) -> None:
    small.push(numbered(1, 2))
    batch = claimed(small)
    small.push(numbered(3, 4, 5, 6))
    later = claimed(small)
    assert later.id != batch.id
    assert later.payloads == numbered(3, 4, 5)
    expire(small, batch)
    assert claimed(small) == batch


def test_a_batch_under_lease_is_nobody_elses(small: EventQueue) -> None:
    small.push(numbered(1))
    batch = claimed(small)
    assert small.claim() is None
    small.renew(batch.id)
    assert small.claim() is None


def test_a_batch_whose_owner_is_silent_is_adopted_before_newer_events(small: EventQueue) -> None:
    small.push(numbered(1))
    lost = claimed(small)
    small.push(numbered(2))
    expire(small, lost)
    assert claimed(small) == lost
    assert claimed(small).payloads == numbered(2)


def test_a_lease_is_renewed(small: EventQueue) -> None:
    small.push(numbered(1))
    batch = claimed(small)
    expire(small, batch)
    small.renew(batch.id)
    assert small.claim() is None


def test_a_released_batch_is_anybodys_at_once(small: EventQueue) -> None:
    small.push(numbered(1))
    batch = claimed(small)
    small.release(batch.id)
    assert claimed(small) == batch


def test_a_finished_batch_is_gone_and_finishing_twice_does_nothing(small: EventQueue) -> None:
    small.push(numbered(1, 2, 3, 4))
    batch = claimed(small)
    for _ in range(2):
        small.finish(batch.id)
        backlog = small.snapshot()
        assert (backlog.accepted, backlog.queued, backlog.processing) == (4, 1, 0)
    assert not small.redis.exists(small.batch_prefix + batch.id)


@pytest.mark.parametrize("verb", ["renew", "release", "halt"])
def test_a_finished_batch_never_comes_back(small: EventQueue, verb: str) -> None:
    small.push(numbered(1))
    batch = claimed(small)
    small.finish(batch.id)
    getattr(small, verb)(batch.id)
    small.redis.delete(small.halted)
    assert small.claim() is None
    assert small.snapshot().batch_ids == []


def test_after_a_halt_nobody_claims_until_it_has_passed(small: EventQueue) -> None:
    small.push(numbered(1, 2, 3, 4))
    batch = claimed(small)
    forget_jobs(small)
    small.halt(batch.id)
    assert small.claim() is None
    assert not small.neglected()
    assert small.snapshot().failed_batches == 1
    assert 0 < int(small.redis.pttl(small.halted)) <= 30_000
    small.redis.delete(small.halted)
    assert small.neglected()
    assert claimed(small) == batch
    small.finish(batch.id)
    assert small.snapshot().failed_batches == 0


def test_a_worker_may_leave_only_an_empty_buffer(small: EventQueue) -> None:
    small.push(numbered(1))
    forget_jobs(small)
    batch = claimed(small)
    small.push(numbered(2))
    assert small.leave() is False
    small.finish(batch.id)
    small.finish(claimed(small).id)
    assert small.leave() is True
    small.push(numbered(3))
    assert jobs(small) == 1


def test_what_waits_is_neglected_until_a_job_or_a_worker_is_on_it(small: EventQueue) -> None:
    assert not small.neglected()
    small.push(numbered(1))
    assert not small.neglected()  # a job is on its way
    forget_jobs(small)
    assert small.neglected()
    batch = claimed(small)
    small.push(numbered(2))
    assert not small.neglected()  # somebody drains
    expire(small, batch)
    assert small.neglected()  # but not this batch
    small.wake()
    assert not small.neglected()


def test_a_full_backlog_refuses_the_push_whole(make_queue: MakeQueue) -> None:
    queue = make_queue(max_backlog=3)
    queue.push(numbered(1, 2))
    queue.push(numbered(3, 4))  # below the limit when it came
    with pytest.raises(Unavailable) as caught:
        queue.push(numbered(5))
    assert caught.value.code == "backlog_full"
    assert caught.value.retry_after_seconds > 0
    backlog = queue.snapshot()
    assert (backlog.accepted, backlog.queued) == (4, 4)
    claimed(queue)
    assert queue.push(numbered(5)) == 1


def test_a_snapshot_knows_the_oldest_event_wherever_it_is(small: EventQueue) -> None:
    def arrived(at: int) -> bytes:
        return encode_event(Event("s", 0, "id", "e", at))

    assert small.snapshot().oldest_received_at is None
    small.push([arrived(5), arrived(6), arrived(7), arrived(8)])
    assert small.snapshot().oldest_received_at == 5
    batch = claimed(small)
    backlog = small.snapshot()
    assert (backlog.queued, backlog.processing, backlog.batch_ids) == (1, 3, [batch.id])
    assert backlog.oldest_received_at == 5
    small.finish(batch.id)
    assert small.snapshot().oldest_received_at == 8
    for payload in (b"not an event", b'["\xff",1,"id","e",3]'):
        small.push([payload, arrived(9), arrived(9)])
        claimed(small)
        assert small.snapshot().oldest_received_at == 8


def test_workers_count_while_they_report(queue: EventQueue) -> None:
    assert queue.count_workers() == 0
    queue.report("a")
    queue.report("b")
    queue.report("b")
    assert queue.count_workers() == 2
    queue.redis.zadd(queue.workers, {"a": 1})
    assert queue.count_workers() == 1


HOUR_MS = 3_600_000


def test_where_the_clock_was_set_back_a_dead_workers_batch_waits_no_longer(
    small: EventQueue,
) -> None:
    small.push(numbered(1, 2, 3, 4))
    dead, kept = claimed(small), claimed(small)
    leased_until = int(small.redis.zscore(small.batches, kept.id) or 0)
    small.redis.zadd(small.batches, {dead.id: leased_until + HOUR_MS})
    small.report("a")
    ahead_ms = int(small.redis.zscore(small.batches, dead.id) or 0) - leased_until
    assert 0 <= ahead_ms < 10_000
    assert small.redis.zscore(small.batches, kept.id) == leased_until


def test_where_the_clock_was_set_back_dead_workers_do_not_count(queue: EventQueue) -> None:
    queue.report("a")
    alive_at = int(queue.redis.zscore(queue.workers, "a") or 0)
    queue.redis.zadd(queue.workers, {"dead": alive_at + HOUR_MS})
    assert queue.count_workers() == 1
    queue.report("a")  # from now on it is like one that has just died
    reported_at = int(queue.redis.zscore(queue.workers, "a") or 0)
    assert queue.redis.zscore(queue.workers, "dead") == reported_at


def test_where_the_clock_was_set_back_marks_last_no_longer(small: EventQueue) -> None:
    for mark, most_ms in ((small.awake, 2_000), (small.halted, 30_000)):
        small.redis.set(mark, 1, px=HOUR_MS)
        small.report("a")
        assert 0 < int(small.redis.pttl(mark)) <= most_ms
        small.redis.set(mark, 1, px=most_ms // 2)
        small.report("a")
        assert 0 < int(small.redis.pttl(mark)) <= most_ms // 2


def test_two_installations_share_a_redis(queue: EventQueue, make_queue: MakeQueue) -> None:
    other = make_queue(redis_key="other", redis_queue_name="other-events")
    queue.push(numbered(1))
    other.push(numbered(2))
    assert (jobs(queue), jobs(other)) == (1, 1)
    assert claimed(other).payloads == numbered(2)
    assert claimed(queue).payloads == numbered(1)


def test_periodic_work_has_a_queue_of_its_own(settings: Settings) -> None:
    assert periodic_queue_name(settings) != settings.redis_queue_name
    assert periodic_queue_name(replace(settings, redis_queue_name="b")).startswith("b")
