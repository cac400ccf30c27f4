"""RQ's worker as Footfall runs it: in one process, no fork a job, for as long as it takes."""

import logging
import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import DeserializationError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from shared.db.schema import require_schema
from shared.errors import FootfallError
from shared.queue.answering import explain_absence, require_redis
from shared.queue.connections import connect
from shared.queue.event_queue import (
    COMPACT_JOB,
    DRAIN_JOB,
    ERASE_JOB,
    FILL_GROWN_JOB,
    FILL_MIXED_JOB,
    FORGET_JOB,
    FORGET_PLACES_JOB,
    LATE_SEGMENTS_JOB,
    PRUNE_JOB,
    RECEIPTS_JOB,
    SEGMENTS_JOB,
    SITE_BOOK_JOB,
    VERIFY_JOB,
    rq_queue,
)
from shared.settings import Settings
from shared.waiting import Reminder, find_away, wait_for
from worker.run.drain import Runtime
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
RECONNECT_SECONDS = 1.0
# RQ waits for a job for 15 s less than this, and for Redis's answer to that 10 s more: a Redis that
# has gone without a word is noticed after 20 s.
RQ_TTL_SECONDS = 25
# Whoever can write to Redis can enqueue any function there is, `os.system` included.
KNOWN_JOBS = frozenset(
    {
        DRAIN_JOB,
        FORGET_JOB,
        FORGET_PLACES_JOB,
        COMPACT_JOB,
        PRUNE_JOB,
        FILL_GROWN_JOB,
        FILL_MIXED_JOB,
        RECEIPTS_JOB,
        SEGMENTS_JOB,
        LATE_SEGMENTS_JOB,
        VERIFY_JOB,
        SITE_BOOK_JOB,
        ERASE_JOB,
    }
)


def without_traceback(record: logging.LogRecord) -> bool:
    """A filter of RQ's log, which tells of a Redis that goes away, or becomes a replica, as of a
    bug; RQ's worker ends then, and `work` begins another."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, redis.RedisError):
        record.msg, record.args = "Redis is looked for anew: %s", (error,)
        record.exc_info = None
    return True


logging.getLogger("rq.worker").addFilter(without_traceback)


class QuietWorker(SimpleWorker):
    """A SimpleWorker that tells its job when it is asked to stop.

    Measured: RQ's forking Worker runs 75 jobs a second and cannot keep a database connection; this
    one runs 269 and can.
    """

    log_result_lifespan = False
    # Events wait while we wait; RQ's own limit is a minute.
    max_connection_wait_time = RECONNECT_SECONDS

    def __init__(self, queue: Queue, connection: "redis.Redis", stopping: StopFlag) -> None:
        super().__init__(
            [queue],
            name=worker_name(),
            connection=connection,
            worker_ttl=RQ_TTL_SECONDS,
            serializer=JSONSerializer,
            log_job_description=False,
        )
        self.stopping = stopping

    def request_stop(self, _signum: int, _frame: FrameType | None) -> None:
        """End the job under way, or the wait for one. RQ's own handler would ask Redis here, at
        whatever line the signal struck."""
        self.stopping.set()
        self._stop_requested = True
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested

    def _install_signal_handlers(self) -> None:
        """A signal that came while this worker was registered has set only the flag."""
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        self._stop_requested = self._stop_requested or self.stopping.is_set()

    def teardown(self) -> None:
        """RQ's own ends its thread, which listens for commands, only where Redis still answers."""
        try:
            super().teardown()  # type: ignore[no-untyped-call]
        finally:
            if self.pubsub_thread is not None:
                self.pubsub_thread.stop()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job of ours; any other is refused and forgotten, for its name is code to run."""
        if called_function(job) in KNOWN_JOBS:
            super().execute_job(job, queue)
            return
        log.error("refused job %s: it is none of %s", job.id, ", ".join(sorted(KNOWN_JOBS)))
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.delete(job.key)
            pipeline.execute()

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """A sentence where a server is away; RQ's own tells from where that was raised."""
        error = exc_info[1]
        if isinstance(error, FootfallError | redis.RedisError):
            log.error("%s failed: %s", called_function(job), error)
        else:
            super().handle_exception(job, *exc_info)


def called_function(job: Job) -> str | None:
    """The dotted name of what a job calls; None where its data cannot be read."""
    try:
        return job.func_name
    except DeserializationError:
        return None


def worker_name() -> str:
    return f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def begin(settings: Settings) -> None:
    """Refuse what no waiting mends. Raises BadSetting; servers that are away are waited for: Redis
    by `work`, the database by the batch in hand."""
    find_away(partial(require_redis, settings))
    wait_for(partial(require_schema, settings))


def work(
    settings: Settings,
    queue_name: str,
    stopping: StopFlag,
    when_full: Callable[[], None] | None = None,
) -> None:
    """Work on one RQ queue until SIGTERM or SIGINT; a Redis that goes away is waited for.

    RQ cannot run in a Redis that is out of memory; `when_full` is called then, to empty it.
    """
    # RQ says several lines a job, and there is a job every few seconds.
    rq_level = "DEBUG" if settings.log_level == "debug" else "WARNING"
    # A client of its own: RQ makes its time-outs as long as it may wait for a job.
    connection = connect(settings, timeout_seconds=10)
    queue = rq_queue(queue_name, connection)
    reminder = Reminder()
    try:
        while not stopping.is_set():
            try:
                QuietWorker(queue, connection, stopping).work(logging_level=rq_level)
            except redis.OutOfMemoryError as error:
                log.error("Redis is full; raise its maxmemory: %s", error)
                stop_on_signals(stopping)
                empty(when_full)
            except redis.RedisError as error:
                reminder.say(f"waiting: {explain_absence(settings, error)}")
            stop_on_signals(stopping)
            stopping.wait(RECONNECT_SECONDS)
    except StopRequested:
        return


def empty(when_full: Callable[[], None] | None) -> None:
    try:
        if when_full is not None:
            when_full()
    except redis.RedisError as error:
        log.warning("it is not emptied yet: %s", error)


def stop_on_signals(stopping: StopFlag) -> None:
    """Between two lives of RQ's worker, which sets its own handlers, signals must count as well."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())


def start_thread(loop: Callable[[], None]) -> None:
    """Run a loop beside the work. Where it fails, the process stops, to be started again."""

    def run() -> None:
        try:
            loop()
        except Exception:
            log.exception("cannot go on")
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=run, daemon=True).start()


def sweep_for_ever(runtime: Runtime) -> None:
    """Every second: report alive, keep the batch in hand, find what waits while no job comes."""
    queue, name = runtime.queue, worker_name()
    while True:
        try:
            queue.report(name)
            if runtime.held is not None:
                queue.renew(runtime.held)
            if queue.neglected():
                queue.wake()
        except redis.RedisError as error:
            log.debug("sweep: %s", error)
        # Spread out, so that a hundred workers do not all ask at once.
        time.sleep(SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
