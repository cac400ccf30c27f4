"""Who may ask: the key of API_AUTH, and those that were made with `footfall keys`.

They are read from the database again and again, and hold on while it does not answer. So one that
is revoked lets nobody in within KNOWN_SECONDS.
"""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import redis
from sqlalchemy import Connection, Engine

from reporting.ask.parameter import Asked
from reporting.http.book import Book
from reporting.route import Route
from shared.http.auth import Callers, key_given
from shared.keys.keys import (
    EVERYTHING,
    NO_KEYS,
    PREFIX,
    Key,
    Kind,
    all_sites,
    keys_unknown,
    other_site,
    unauthorized,
    wrong_kind,
)
from shared.keys.stored import fetch_good_keys
from shared.queue.event_queue import EventQueue
from shared.queue.used_keys import TELL_SECONDS, UsedKeys

log = logging.getLogger(__name__)


class KeyBook(Book):
    """The keys that there are."""

    def __init__(self, engines: Sequence[Engine], queue: EventQueue, api_auth: str) -> None:
        super().__init__(engines)
        self.queue = queue
        self.callers = Callers(api_auth, NO_KEYS)
        self.told_at: dict[str, float] = {}

    def caller(self, header: str | None, now: int, needed: Kind = Kind.READ) -> Key:
        """What whoever sends this header may ask; `now` is in ms. Raises InvalidInput where that is
        nothing, or not what is needed, and Unavailable where nobody knows yet."""
        if not self.callers.api_auth:
            return EVERYTHING
        key = self.callers.find(header, now)
        if key is not EVERYTHING and key_given(header).startswith(PREFIX):
            self.look()
            if not self.is_known:
                raise keys_unknown()
            key = self.callers.find(header, now)
        if key is None:
            raise unauthorized()
        if not key.may(needed):
            raise wrong_kind(key, needed)
        if key is not EVERYTHING:
            self.note(key, now)
        return key

    def fill(self, connection: Connection) -> None:
        self.callers = Callers(self.callers.api_auth, fetch_good_keys(connection))

    def note(self, key: Key, now: int) -> None:
        """It was used; who lists keys is told when, each now and then."""
        told_at = self.told_at.get(key.key_id, -math.inf)
        if time.monotonic() - told_at < TELL_SECONDS:
            return
        self.told_at[key.key_id] = time.monotonic()
        try:
            UsedKeys(self.queue).tell({key.key_id: now})
        except redis.RedisError as error:
            log.debug("nobody is told which keys were used: %s", error)


def check_kind(key: Key, route: Route[Any]) -> None:
    """Raises InvalidInput where the route takes a key of another kind."""
    if not key.may(route.needs):
        raise wrong_kind(key, route.needs)


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
