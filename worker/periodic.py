"""Start the periodic process: `python -m worker.periodic`. One is enough; two do no harm.

RQ's cron scheduler enqueues what is due on a queue of its own, and a worker in the same process
runs it; merging what batches append goes on beside that, in a thread. Every job here may run twice,
or late, without consequence; of one that failed the log tells, and the next run does its work.
"""

import logging
import time
from datetime import datetime

import redis
from rq.cron import CronJob, CronScheduler
from rq.job import Job

from shared.errors import BadSetting
from shared.process import collect_seldom, refuse, start
from shared.queue.event_queue import periodic_queue_name, rq_queue
from worker.jobs import (
    add_receipts,
    build_late_segments,
    build_segments,
    compact,
    erase_sites,
    fill_grown,
    fill_mixed,
    forget,
    forget_places,
    is_idle,
    keep_site_book,
    merger,
    prune_events,
    runtime,
    verify_nightly,
)
from worker.run.rq_worker import begin, start_thread, stop_on_signals, work
from worker.upkeep.merging import merge_for_ever

log = logging.getLogger("periodic")

# How long queries add up what batches of earlier versions left, each a few kB: at most this many
# seconds of batches.
COMPACT_SECONDS = 10
FORGET_SECONDS = 3600
# How long an answer adds up receipts of batches itself: each a few kB at most.
RECEIPTS_SECONDS = 20
# How much longer than it must a place is kept.
PLACES_SECONDS = 300
PRUNE_SECONDS = 3600
# How long the values of a site that has suddenly much more are counted from its events.
GROWN_SECONDS = 120
MIXED_SECONDS = 3600
# How long an hour that is over, or one that a late event came to, is counted from its events.
SEGMENTS_SECONDS = 300
# The same, of a site to which very many events of such hours have come.
LATE_SECONDS = 10
# How long ingestion goes by an older state of what is set for sites, where Redis has lost it.
SITE_BOOK_SECONDS = 5
# How late deleting a site goes on, each time for some seconds.
ERASE_SECONDS = 5
# How late a night's comparison may begin, or go on where a process was killed.
VERIFY_SECONDS = 600
JOB_TIMEOUT_SECONDS = 600
TICK_SECONDS = 1.0


class JsonCronJob(CronJob):
    """A cron job that is enqueued as JSON; RQ's own is a pickle, which must not be in our Redis.

    It is due by a clock that nobody sets back: RQ's own would let it rest until then.
    """

    due_at = 0.0

    def should_run(self) -> bool:
        return time.monotonic() >= self.due_at

    def set_enqueue_time(self, time_: datetime) -> None:
        super().set_enqueue_time(time_)
        self.due_at = time.monotonic() + (self.interval or 0)

    def enqueue(self, connection: "redis.Redis") -> Job:
        queue = rq_queue(self.queue_name, connection)
        return queue.enqueue(self.func_name, description=self.func_name, **self.job_options)


def make_scheduler(connection: "redis.Redis", queue_name: str) -> CronScheduler:
    """All periodic work."""
    scheduler = CronScheduler(connection, logging_level="WARNING")
    for function, seconds in (
        (compact, COMPACT_SECONDS),
        (add_receipts, RECEIPTS_SECONDS),
        (forget, FORGET_SECONDS),
        (forget_places, PLACES_SECONDS),
        (prune_events, PRUNE_SECONDS),
        (fill_grown, GROWN_SECONDS),
        (fill_mixed, MIXED_SECONDS),
        (build_segments, SEGMENTS_SECONDS),
        (build_late_segments, LATE_SECONDS),
        (keep_site_book, SITE_BOOK_SECONDS),
        (erase_sites, ERASE_SECONDS),
        (verify_nightly, VERIFY_SECONDS),
    ):
        scheduler.get_jobs().append(
            JsonCronJob(
                queue_name,
                func=function,
                interval=seconds,
                job_timeout=JOB_TIMEOUT_SECONDS,
                result_ttl=0,
                failure_ttl=0,
            )
        )
    return scheduler


def schedule_for_ever(scheduler: CronScheduler) -> None:
    while True:
        try:
            scheduler.enqueue_jobs()
        except redis.RedisError as error:
            log.debug("schedule: %s", error)
        time.sleep(TICK_SECONDS)


def main() -> None:
    configured = start("periodic")
    try:
        stop_on_signals(runtime().stopping)
        begin(configured)
    except BadSetting as error:
        refuse(error)
    queue_name = periodic_queue_name(configured)
    scheduler = make_scheduler(runtime().queue.redis, queue_name)
    collect_seldom()
    start_thread(lambda: schedule_for_ever(scheduler))
    start_thread(lambda: merge_for_ever(merger(), is_idle))
    work(configured, queue_name, runtime().stopping)


if __name__ == "__main__":
    main()
