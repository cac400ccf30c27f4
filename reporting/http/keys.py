"""Who may ask: the key of API_AUTH, and those that were made with `footfall keys`.

They are read from the database again and again, and hold on while it does not answer. So one that
is revoked lets nobody in within KNOWN_SECONDS.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import redis
from sqlalchemy import Engine

from reporting.ask.parameter import Asked
from reporting.route import Route
from shared.db.database import at_once, translated_errors
from shared.errors import Unavailable
from shared.http.auth import caller_of, key_given
from shared.keys.keys import (
    EVERYTHING,
    NO_KEYS,
    PREFIX,
    Key,
    Keys,
    Kind,
    all_sites,
    other_site,
    unauthorized,
    wrong_kind,
)
from shared.keys.stored import fetch_good_keys
from shared.queue.event_queue import EventQueue
from shared.queue.used_keys import TELL_SECONDS, UsedKeys

log = logging.getLogger(__name__)

KNOWN_SECONDS = 3.0


class KeyBook:
    """The keys that there are; threads share it."""

    def __init__(self, engine: Engine, queue: EventQueue, api_auth: str) -> None:
        self.engine = engine
        self.queue = queue
        self.api_auth = api_auth
        self.keys: Keys = NO_KEYS
        self.read_at: float | None = None
        self.used: dict[str, int] = {}
        self.told_at = 0.0
        self.lock = threading.Lock()

    def caller(self, header: str | None, now: int) -> Key:
        """What whoever sends this header may ask; `now` is in ms. Raises InvalidInput where that is
        nothing, and Unavailable where nobody knows yet."""
        if not self.api_auth:
            return EVERYTHING
        given = key_given(header)
        if given.startswith(PREFIX):
            self.look()
        key = caller_of(given, self.api_auth, self.keys, now)
        if key is None:
            raise unauthorized()
        if not key.may(Kind.READ):
            raise wrong_kind(key, Kind.READ)
        if key is not EVERYTHING:
            self.note(key, now)
        return key

    def look(self) -> None:
        """Know what there is, as of a moment ago. Raises Unavailable where it was never known."""
        if self.is_known():
            return
        # One reads them; the others go by what there was, if there was anything.
        if not self.lock.acquire(blocking=self.read_at is None):
            return
        try:
            if not self.is_known():
                self.read()
        finally:
            self.lock.release()

    def is_known(self) -> bool:
        return self.read_at is not None and time.monotonic() - self.read_at < KNOWN_SECONDS

    def read(self) -> None:
        try:
            with at_once(), translated_errors(), self.engine.begin() as connection:
                self.keys = fetch_good_keys(connection)
        except Unavailable as error:
            if self.read_at is None:
                raise
            log.debug("keys are not known anew: %s", error)
        self.read_at = time.monotonic()

    def note(self, key: Key, now: int) -> None:
        """It was used; who lists keys is told when."""
        self.used[key.key_id] = now
        if time.monotonic() - self.told_at >= TELL_SECONDS:
            self.told_at = time.monotonic()
            try:
                UsedKeys(self.queue).tell(self.used)
                self.used = {}
            except redis.RedisError as error:
                log.debug("nobody is told which keys were used: %s", error)


def check_sites(only: Sequence[str], route: Route[Any], asked: Asked) -> None:
    """Let a key of some sites ask for these. Raises InvalidInput."""
    if not only:
        return
    site_id = asked.values.get("site_id")
    if site_id is None:
        if not route.shows_own:
            raise all_sites(only)
    elif site_id not in only:
        raise other_site(only, site_id)
