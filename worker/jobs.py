"""The functions RQ calls, named in jobs by their dotted strings, and what they find when called.

Wiring only: a job takes this process's runtime and hands it to where the behaviour is.
"""

import logging
from functools import lru_cache

from shared.clock import now_ms
from shared.database import writing_engine
from shared.queue import EventQueue
from shared.settings import Settings
from worker import drain as draining
from worker.drain import Runtime
from worker.retention import prune
from worker.stopping import StopFlag

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings.from_env()


@lru_cache(maxsize=1)
def runtime() -> Runtime:
    """This process's queue and database connection, made at the first job and kept for the rest."""
    return Runtime(EventQueue(settings()), writing_engine(settings()), StopFlag())


def drain() -> None:
    """Events wait: store them."""
    draining.drain(runtime())


def forget() -> None:
    """Periodic: delete idempotency keys and ledger rows past their age."""
    held = runtime().queue.snapshot().batch_ids
    pruned = prune(runtime().engine, now_ms(), settings().dedupe_days, held)
    log.info("forgot %d old rows", pruned)
