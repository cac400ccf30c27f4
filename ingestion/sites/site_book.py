"""The sites that this process knows: what is set for them, which others may have events, and who
may post with which key.

What is set comes from Redis, where it is published under a version that is asked for once a second.
While Redis is away the last of it holds, also after a restart: it is kept in a file.

A site that nobody has registered is a stranger. How many strangers there may be is counted in
Redis, which is asked once for each that a process has not seen.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path

import msgspec
import redis

from ingestion.sites.rules import KnownSites, SiteRules
from ingestion.visitor.salts import keep_private
from ingestion.visitor.senders import Told
from shared.clock import now_ms
from shared.errors import Unavailable
from shared.http.auth import Callers, key_given
from shared.keys.keys import (
    EVERYTHING,
    NO_KEYS,
    PREFIX,
    Key,
    Kind,
    keys_unknown,
    unauthorized,
    wrong_kind,
)
from shared.queue.event_queue import EventQueue
from shared.queue.used_keys import TELL_SECONDS, UsedKeys
from shared.settings import Settings
from shared.sites.published import Published, PublishedSites
from shared.sites.settings import DAY
from shared.sites.strangers import Strangers
from shared.waiting import Reminder

log = logging.getLogger(__name__)

FULL = (
    "MAX_SITES: there are {} sites that nobody has registered, and events of others are refused; "
    "raise it, or register sites with `footfall sites create`"
)
UNKNOWN = (
    "Redis has not told this process yet what is set for sites: events are taken as if nothing was"
)

LOOK_SECONDS = 1.0
# After Redis did not answer, nobody waits for it again so long.
SILENT_SECONDS = 1.0
# Of strangers that this process has seen; with more it asks for each again.
MOST_SEEN = 100_000

encode_published = msgspec.json.Encoder().encode
decode_published = msgspec.json.Decoder(Published).decode


class SiteBook:
    """Looked up by the threads that answer, kept up to date by the keeper's."""

    def __init__(self, settings: Settings, queue: EventQueue) -> None:
        self.queue = queue
        self.max_sites = settings.max_sites
        self.registered_only = settings.registered_sites_only
        self.file = settings.data_dir / "published.json"
        self.version = ""
        self.looked_at: float | None = None
        self.lock = threading.Lock()
        self.seen: set[str] = set()
        self.away_until = 0.0
        self.known: KnownSites | None = None
        self.published_now: Published | None = None
        # How many events a second, of those for which that is set; 0 is any number.
        self.limits: Mapping[str, int] = {}
        # For how long visitors of any of them stay the same, where that is more than a day.
        self.longer_periods: Collection[str] = ()
        self.callers = Callers(settings.api_auth, NO_KEYS)
        self.knows_keys = False
        # When each was used last, by its id, in ms.
        self.used: dict[str, int] = {}
        self.told_at = 0.0
        self.is_answered = True
        self.unreadable = Reminder()
        self.told = Told()
        self.use(kept_in(self.file) or kept_before(settings.data_dir / "sites.json"))
        self.written = self.version

    @cached_property
    def published(self) -> PublishedSites:
        return PublishedSites(self.queue)

    @cached_property
    def strangers(self) -> Strangers:
        return Strangers(self.queue, self.max_sites)

    @cached_property
    def used_keys(self) -> UsedKeys:
        return UsedKeys(self.queue)

    def caller(self, header: str | None, kind: Kind, now: int) -> Key:
        """What whoever sends this header may do of a kind; `now` is in ms. Raises InvalidInput
        where that is nothing, and Unavailable where nobody knows yet."""
        key = self.callers.find(header, now)
        if key is None:
            if not self.knows_keys and key_given(header).startswith(PREFIX):
                raise keys_unknown()
            raise unauthorized()
        if not key.may(kind):
            raise wrong_kind(key, kind)
        if key is not EVERYTHING:
            self.used[key.key_id] = now
        return key

    def tell_used(self) -> None:
        """Tell Redis which keys were used, now and then. Raises redis.RedisError."""
        if self.used and time.monotonic() - self.told_at >= TELL_SECONDS:
            self.told_at = time.monotonic()
            used, self.used = self.used, {}
            try:
                self.used_keys.tell(dict(used))
            except redis.RedisError:
                self.used = used | self.used
                raise

    def look_first(self) -> None:
        """Before the first request of a process: the keeper's thread may not have looked yet."""
        if self.looked_at is None:
            with contextlib.suppress(redis.RedisError, OSError):
                self.look()

    def current(self) -> KnownSites | None:
        """What holds now; None where nothing is set for any site. Raises Unavailable where only
        registered sites may have events, and nobody can tell which these are."""
        if self.registered_only and not self.version:
            raise sites_unknown()
        return self.known

    def look(self) -> None:
        """Use what is published, if a second has passed. Raises redis.RedisError and OSError."""
        with self.lock:  # who comes first waits for what another is about to know
            if self.looked_at is not None and time.monotonic() - self.looked_at < LOOK_SECONDS:
                return
            try:
                self.fetch()
                self.is_answered = True
            except redis.RedisError:
                self.is_answered = False
                raise
            finally:
                self.looked_at = time.monotonic()
            if self.published_now is not None and self.written != self.version:
                keep_private(self.file, encode_published(self.published_now))
                self.written = self.version

    def fetch(self) -> None:
        if self.published.fetch_version() in {"", self.version}:
            return
        try:
            self.use(self.published.fetch())
        except (msgspec.MsgspecError, ValueError) as error:
            self.unreadable.say(f"what is set for sites cannot be read, and stays: {error}")

    def use(self, published: Published | None) -> None:
        if published is None:
            return
        sites = published.sites
        known = KnownSites(
            {site_id: SiteRules(settings) for site_id, settings in sites.items()},
            {alias: site_id for site_id, settings in sites.items() for alias in settings.aliases},
            self.registered_only,
        )
        self.known = known if sites or self.registered_only else None
        self.limits = {
            site_id: settings.events_per_second
            for site_id, settings in sites.items()
            if settings.events_per_second is not None
        }
        self.longer_periods = {rules.visitor_period for rules in known.rules.values()} - {DAY}
        self.published_now, self.version = published, published.version
        self.knows_keys = published.keys is not None
        self.callers = Callers(self.callers.api_auth, published.keys or NO_KEYS)

    def is_new(self, site_id: str) -> bool:
        """Whether Redis must say if such a stranger may have events."""
        if site_id in self.seen or self.registered_only:
            return False
        known = self.known
        if known is not None and site_id in known.rules:
            return False
        return not self.away_until or time.monotonic() >= self.away_until

    def refused(self, site_ids: Collection[str]) -> Collection[str]:
        """Those of strangers that may have no events, because there are too many already. While
        nobody can be asked, all may."""
        if self.away_until:
            if time.monotonic() < self.away_until:
                return ()
            self.away_until = time.monotonic() + SILENT_SECONDS  # one tries it, the others do not
        try:
            refused = self.strangers.admit(site_ids)
        except redis.RedisError as error:
            log.debug("strangers: %s", error)
            self.away_until = time.monotonic() + SILENT_SECONDS
            return ()
        self.away_until = 0.0
        if refused:
            self.told.say(FULL.format(self.max_sites), now_ms())
        self.see(set(site_ids).difference(refused))
        return refused

    def warnings(self, now: int) -> list[str]:
        """What to tell the operator; `now` is in ms."""
        unknown = [] if self.version or self.is_answered else [UNKNOWN]
        return unknown + self.told.warnings(now)

    def see(self, site_ids: Iterable[str]) -> None:
        if len(self.seen) > MOST_SEEN:
            self.seen = set()
        self.seen.update(site_ids)


def sites_unknown() -> Unavailable:
    return Unavailable("sites_unknown", "it is not known yet which sites are registered")


def kept_in(file: Path) -> Published | None:
    """What an earlier process kept; None where there is no file, or one that cannot be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return decode_published(file.read_bytes())
    return None


def kept_before(file: Path) -> Published | None:
    """What an earlier version kept, under a version that Redis never has: it knew of no keys, of
    which Redis may have told it under the same."""
    kept = kept_in(file)
    return None if kept is None else Published(f"{kept.version}, kept", kept.sites)
