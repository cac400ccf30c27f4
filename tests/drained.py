"""Everything that waits, brought into the database: what a worker does, without its process."""

from shared.db.database import writing_engine
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.migration import migrate
from worker.run.drain import Runtime, store
from worker.stopping import StopFlag


def store_all(settings: Settings) -> None:
    """Migrate the database, store what waits in Redis, and leave one worker alive."""
    queue = EventQueue(settings)
    engine = writing_engine(settings)
    migrate(engine)
    runtime = Runtime(queue, engine, StopFlag())
    while batch := queue.claim():
        store(runtime, batch)
    queue.report("worker")
    engine.dispose()
    queue.close()
