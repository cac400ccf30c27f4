"""The worker's rate, without merging, on batches whose users are mostly new, and where it goes."""

import random
import re
import time
from collections import defaultdict
from operator import itemgetter
from typing import Any

from sqlalchemy import Engine, event

from bench.history import AGENTS, COUNTRIES, REFERRERS
from shared.clock import now_ms
from shared.db.database import writing_engine
from shared.event import PAGE_VIEW, Event, encode_event
from shared.queue.event_queue import Batch
from shared.settings import Settings
from tests.migration import migrate
from worker.batch.commit import commit_batch
from worker.enrich.bots import rule_from

NEW_USERS = 0.9
# Ten thousand a second: in fewer seconds, the users who return would be bursts.
EVENTS_PER_MS = 10
LABEL = re.compile(r"/\* worker\.(\w+) \*/")
NAMES = {
    "ledger": "batch ledger",
    "events": "insert events",
    "users": "dictionary of users",
    "pending": "what is to be merged",
    "outcomes": "outcome counters",
    "bursts": "places of views",
}

# Step -> its share of the time.
Shares = dict[str, float]


def make_batches(events: int, size: int) -> list[Batch]:
    """Batches as they wait in Redis."""
    random_ = random.Random(events)
    now = now_ms()
    made = [
        encode_event(
            Event(
                "site.example",
                now + number // EVENTS_PER_MS,
                f"{random_.getrandbits(64):x}-{number:x}",
                PAGE_VIEW,
                now,
                path=f"/page/{min(500, int(random_.paretovariate(0.9)))}",
                user_id=f"user-{number if random_.random() < NEW_USERS else number % 1000}",
                session_id=f"session-{number}",
                referrer=random_.choice(REFERRERS),
                user_agent=random_.choice(AGENTS),
                country=random_.choice(COUNTRIES),
            )
        )
        for number in range(events)
    ]
    return [Batch(f"batch-{first}", made[first : first + size]) for first in range(0, events, size)]


def measure_steps(settings: Settings, events: int) -> tuple[float, Shares]:
    """Events a second through `commit_batch`, and each step's share of the time."""
    engine = writing_engine(settings)
    migrate(engine)
    first, *batches = make_batches(events, settings.batch_size)
    rule = rule_from(settings)
    commit_batch(engine, first, now_ms(), rule)  # which compiles regexes and statements
    watch = Watch(engine)
    started = time.perf_counter()
    for batch in batches:
        commit_batch(engine, batch, now_ms(), rule)
    elapsed = time.perf_counter() - started
    engine.dispose()
    shares = {step: seconds / elapsed for step, seconds in by_time(watch.seconds)}
    shares["decoding, counting, bitmaps: Python"] = 1 - sum(shares.values())
    return (events - len(first.payloads)) / elapsed, shares


def by_time(seconds: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=itemgetter(1), reverse=True)


class Watch:
    """Adds up the time of an engine's statements by their labels, and of its commits."""

    def __init__(self, engine: Engine) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.started = 0.0
        event.listen(engine, "before_cursor_execute", self.start)
        event.listen(engine, "after_cursor_execute", self.stop)
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            started = time.perf_counter()
            commit(connection)
            self.seconds["commit"] += time.perf_counter() - started

        setattr(engine.dialect, "do_commit", do_commit)  # noqa: B010  # no event tells its end

    def start(self, *_: object) -> None:
        self.started = time.perf_counter()

    def stop(self, _c: object, _k: object, statement: str, *_: object) -> None:
        found = LABEL.search(statement)
        step = NAMES.get(found.group(1), found.group(1)) if found else "other statements"
        self.seconds[step] += time.perf_counter() - self.started
