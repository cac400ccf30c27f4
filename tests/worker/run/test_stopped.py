"""A worker that was stopped for longer than RQ gives a job goes on as if nothing had been."""

import sqlite3
import time

from sqlalchemy import func, make_url, select

from shared.db.database import reading_engine, writing_engine
from shared.db.tables import events
from shared.event import encode_event
from shared.queue.event_queue import DRAIN_JOB, EventQueue
from shared.settings import Settings
from tests.events import make_event
from tests.migration import migrate
from tests.servers import wait_until
from tests.stack import WorkerProcess

JOB_SECONDS = 2
# The line is halted for 30.
SOON_SECONDS = 15


def test_a_worker_that_was_stopped_in_the_middle_of_a_batch_stores_it(
    settings: Settings, queue: EventQueue
) -> None:
    writing = writing_engine(settings)
    migrate(writing)
    writing.dispose()
    queue.push([encode_event(make_event(number)) for number in range(5)])
    queue.redis.delete(queue.rq.key)
    path = make_url(settings.database_url).database
    assert path
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # the batch waits behind it
    queue.rq.enqueue(DRAIN_JOB, job_timeout=JOB_SECONDS)
    environment = {"REDIS_URL": settings.redis_url, "DATABASE_URL": settings.database_url}
    with WorkerProcess("worker", environment) as worker:
        wait_until(lambda: queue.snapshot().processing == 5)
        worker.pause()
        time.sleep(JOB_SECONDS + 0.5)
        other.close()
        worker.resume()
        wait_until(lambda: queue.snapshot().processing == 0, SOON_SECONDS)
        assert "given back, to be tried again" in worker.log()
    assert queue.snapshot().failed_batches == 0
    reading = reading_engine(settings)
    with reading.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 5
    reading.dispose()
