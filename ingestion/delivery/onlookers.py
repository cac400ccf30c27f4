"""Notes of requests, while somebody looks: a few in memory, told to Redis twice a second, where
they end by themselves. While nobody looks the door asks one attribute, and nothing is kept.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import cached_property

import msgspec
import redis

from ingestion.visitor.countries import built_at_of, open_countries
from shared.errors import BadSetting
from shared.private import told_to_others
from shared.queue.event_queue import EventQueue
from shared.queue.watching import REPORT_SECONDS, DoorReport, Noted, Watching
from shared.settings import Settings

LOOK_SECONDS = 1.0
# Of a round of the keeper's: each takes the door some fifty microseconds.
MOST_NOTED = 50


class Onlookers:
    """The threads that answer note requests where `want_notes`, the keeper's tells them.

    `make_report` says how this process is set up.
    """

    def __init__(
        self, queue: EventQueue, clock: Callable[[], int], make_report: Callable[[], DoorReport]
    ) -> None:
        self.queue = queue
        self.clock = clock
        self.make_report = make_report
        self.want_notes = False
        self.notes: deque[Noted] = deque(maxlen=MOST_NOTED)
        self.are_there = False
        self.looked_at = self.reported_at = 0.0

    @cached_property
    def watching(self) -> Watching:
        return Watching(self.queue)

    def add(self, noted: Noted) -> None:
        self.notes.append(noted)
        if len(self.notes) >= MOST_NOTED:
            self.want_notes = False  # until these are told

    def look(self) -> None:
        """One round of the keeper's. Raises redis.RedisError, and forgets what was noted."""
        try:
            if time.monotonic() - self.looked_at >= LOOK_SECONDS:
                self.looked_at = time.monotonic()
                self.are_there = self.watching.is_asked()
            if self.are_there:
                self.tell()
        except redis.RedisError:
            self.leave()
            raise
        if not self.are_there:
            self.leave()
        self.want_notes = self.are_there

    def leave(self) -> None:
        """Note nothing, and forget what was noted: nobody is there, or can be told."""
        self.are_there = self.want_notes = False
        self.notes.clear()

    def tell(self) -> None:
        notes = []
        while self.notes:
            notes.append(self.notes.popleft())
        self.watching.tell(notes)
        if time.monotonic() - self.reported_at >= REPORT_SECONDS:
            self.report()
            self.reported_at = time.monotonic()

    def report(self) -> None:
        before, there, after = self.clock(), self.watching.time(), self.clock()
        ahead = (before + after) // 2 - there
        report = msgspec.structs.replace(self.make_report(), told_at=there, ahead_ms=ahead)
        self.watching.report(report)


def own_name() -> str:
    """Of this machine and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def report_of(settings: Settings) -> DoorReport:
    """How ingestion is set up by these settings, on this machine."""
    problem, built_at = country_file(settings.country_database)
    return DoorReport(
        name=own_name(),
        host=settings.ingestion_host,
        has_key=bool(settings.api_auth),
        asks_for_key=bool(settings.api_auth) and settings.ingest_auth,
        trusted_proxies=settings.trusted_proxies,
        registered_only=settings.registered_sites_only,
        country_problem=problem,
        country_built_at=built_at,
        data_dir_problem=told_to_others(settings),
    )


def country_file(path: str) -> tuple[str | None, int | None]:
    """What is wrong with it, and when it was built, in ms."""
    try:
        reader = open_countries(path)
    except BadSetting as error:
        return str(error), None
    if reader is None:
        return None, None
    with reader:
        return None, built_at_of(reader)
