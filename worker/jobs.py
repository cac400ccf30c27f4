"""The functions RQ calls, named in jobs by their dotted strings, and what they find when called.

Wiring only: a job takes this process's runtime and hands it to where the behaviour is.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import redis
from sqlalchemy import Connection, Engine

from shared.clock import now_ms
from shared.db.database import reading_engine, writing_engine
from shared.db.dialects import dialect_of
from shared.keys.stored import note_used
from shared.queue.event_queue import (
    JOB_TIMEOUT_SECONDS,
    PRUNE_JOB,
    SEGMENTS_JOB,
    VERIFY_JOB,
    EventQueue,
    periodic_queue_name,
    rq_queue,
)
from shared.queue.used_keys import UsedKeys
from shared.settings import Settings
from shared.sites.published import PublishedSites
from shared.sites.strangers import Strangers
from worker.enrich.bots import rule_from
from worker.run import drain as draining
from worker.run.drain import Runtime
from worker.run.rq_worker import called_function
from worker.stopping import StopFlag
from worker.stored.sparse_days import Day, fetch_grown, fetch_mixed
from worker.upkeep import ages, compaction, filling, receipts, retention, segments, site_book
from worker.upkeep.erasing import Eraser
from worker.upkeep.merging import Merger
from worker.upkeep.own_fault import Faults
from worker.verify import nightly

log = logging.getLogger(__name__)

# Nobody waits for what this work reads; reporting gives up long before.
READER_SECONDS = 3600
# Of a worker, of which there are many on a machine, where the periodic process is one.
RELIEF_EVENTS = 50_000


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings.from_env()


@lru_cache(maxsize=1)
def runtime() -> Runtime:
    """This process's queue and database connection, made at the first job and kept for the rest."""
    queue, engine, stopping = EventQueue(settings()), writing_engine(settings()), StopFlag()
    relieve = Merger(engine, stopping, portion=RELIEF_EVENTS).relieve
    return Runtime(queue, engine, stopping, rule_from(settings()), relieve)


@lru_cache(maxsize=1)
def reader() -> Engine:
    """For what reads much and must keep no writer waiting."""
    return reading_engine(replace(settings(), query_seconds=READER_SECONDS))


@lru_cache(maxsize=1)
def merger() -> Merger:
    """With a connection of its own: no other work of this process waits for it."""
    return Merger(writing_engine(settings()), runtime().stopping)


def is_idle() -> bool:
    """Whether no event is under way to the database, as far as can be known."""
    try:
        backlog = runtime().queue.snapshot()
    except redis.RedisError:
        return True
    return backlog.queued + backlog.processing == 0


@lru_cache(maxsize=1)
def failed_segments() -> segments.Failed:
    """What this process need not try again soon."""
    return {}


@lru_cache(maxsize=1)
def tried_segments() -> segments.Tried:
    """Of sites to which very many events come, since all segments were made."""
    return {}


@lru_cache(maxsize=1)
def eraser() -> Eraser:
    return Eraser(runtime().engine, runtime().queue, runtime().stopping)


@lru_cache
def faults(work: str) -> Faults:
    """What this process has said of one kind of work."""
    return Faults(work)


def drain() -> None:
    """Events wait: store them."""
    draining.drain(runtime())


def forget() -> None:
    """Periodic: delete idempotency keys, seconds and ledger rows past their age."""
    held = runtime().queue.snapshot().batch_ids
    pruned = retention.prune(runtime().engine, now_ms(), settings().dedupe_days, held)
    log.info("forgot %d old rows", pruned)


def forget_places() -> None:
    """Periodic: delete the places of page views that took them some minutes ago."""
    retention.forget_places(runtime().engine, now_ms())


def compact() -> None:
    """Periodic: move recent users into their hours and days, and cut the database's log back."""
    compaction.compact(runtime().engine, faults(compaction.WORK))
    dialect_of(runtime().engine).cut_log(runtime().engine)


def add_receipts() -> None:
    """Periodic: add up what batches have written of their sites and days."""
    receipts.add_receipts(runtime().engine, runtime().stopping)


def prune_events() -> None:
    """Periodic: delete raw events past their age, of sites that have such an age."""
    max_age, stopping = settings().max_age, runtime().stopping
    engine = runtime().engine
    now = ages.earlier_clock(engine, now_ms())
    oldest = ages.fetch_oldest(engine, now, max_age)
    if oldest.keep_all:
        return
    is_done = filling.fill_before(
        reader(), engine, oldest, stopping, faults(filling.WORK)
    ) and retention.prune_events(engine, now, max_age, stopping, faults(retention.WORK))
    if not is_done and not stopping.is_set():
        go_on(PRUNE_JOB)


def fill_grown() -> None:
    """Periodic: count sparse days in full that have far more events by now."""
    fill(fetch_grown)


def fill_mixed() -> None:
    """Periodic: count sparse days anew of which a process of an earlier version counted some."""
    fill(fetch_mixed)


def fill(find: Callable[[Connection], list[Day]]) -> None:
    engine, stopping = runtime().engine, runtime().stopping
    filling.fill(reader(), engine, find, stopping, faults(filling.WORK))


def build_segments() -> None:
    """Periodic: make segments of the hours that are over."""
    stopping = runtime().stopping
    is_done = segments.build_segments(
        reader(), runtime().engine, now_ms(), stopping, failed_segments(), faults(segments.WORK)
    )
    if is_done:
        tried_segments().clear()
    elif not stopping.is_set():
        go_on(SEGMENTS_JOB)


def build_late_segments() -> None:
    """Periodic: the same of sites to which very many events of such hours have come just now."""
    late, stopping = merger().take_late(), runtime().stopping
    known, said, tried = failed_segments(), faults(segments.WORK), tried_segments()
    if late and not segments.build_segments(
        reader(), runtime().engine, now_ms(), stopping, known, said, late, tried
    ):
        merger().put_late(late)


def keep_site_book() -> None:
    queue, engine = runtime().queue, runtime().engine
    strangers = Strangers(queue, settings().max_sites)
    site_book.keep_site_book(engine, PublishedSites(queue), strangers, now_ms())
    note_used(engine, UsedKeys(queue).fetch())


def erase_sites() -> None:
    """Periodic: go on with deleting the sites that are to be deleted."""
    if eraser().erase(now_ms()):
        Strangers(runtime().queue, settings().max_sites).count_again()


def verify_nightly() -> None:
    """Periodic: compare what was counted lately with the events, once a night."""
    stopping = runtime().stopping
    is_done = nightly.verify_nightly(reader(), runtime().queue, now_ms, stopping)
    if not is_done and not stopping.is_set():
        go_on(VERIFY_JOB)


def go_on(name: str) -> None:
    """Behind the jobs that wait by now; not where one of them is this one's next turn."""
    queue = rq_queue(periodic_queue_name(settings()), runtime().queue.redis)
    if not any(called_function(job) == name for job in queue.jobs):
        queue.enqueue(
            name,
            job_timeout=JOB_TIMEOUT_SECONDS,
            result_ttl=0,
            failure_ttl=0,
            description=name,
        )
