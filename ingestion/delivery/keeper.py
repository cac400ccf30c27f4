"""The thread behind the door: it replays spools, reports what waits there and what was
refused, fetches salts ahead, and what is set for sites. Whoever looks on is told by it, too."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import redis

from ingestion.delivery.home import Home
from ingestion.delivery.onlookers import Onlookers
from ingestion.delivery.refused import RefusalCount
from ingestion.delivery.replay import replay
from ingestion.delivery.spool import Spool
from ingestion.sites.site_book import SiteBook
from ingestion.visitor.salts import Salts
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue
from shared.queue.spooled import Spooled
from shared.waiting import Reminder

log = logging.getLogger(__name__)

ROUND_SECONDS = 0.5
# What other processes left is looked for, and salts are.
SELDOM_SECONDS = 10.0


class Keeper:
    """Runs from `start` to `stop`. Whatever it did not finish, the next process does."""

    def __init__(
        self,
        queue: EventQueue,
        spool: Spool,
        salts: Salts,
        clock: Callable[[], int],
        refused: RefusalCount | None = None,
        sites: SiteBook | None = None,
        onlookers: Onlookers | None = None,
    ) -> None:
        self.queue = queue
        self.spool = spool
        self.salts = salts
        self.clock = clock
        self.refused = refused or RefusalCount()
        self.sites = sites
        self.onlookers = onlookers
        self.abandoned: list[Home] = []
        self.reported: set[str] = set()
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()
        self.looked_at = 0.0
        self.disk = Reminder()
        self.backlog = Reminder()

    def start(self) -> None:
        """Begin, where it has not begun in this process."""
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="keeper", daemon=True)
                self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()
            with suppress(Unavailable, redis.RedisError):  # it is gone with this process
                self.refused.tell(self.queue)

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.work()
            except (Unavailable, redis.RedisError) as error:
                log.debug("nothing can be replayed: %s", error)
            except OSError as error:
                self.disk.say(f"spool or salts cannot be read or written: {error}")
            except Exception:  # a fault of ours must not end the only thread that empties the spool
                log.exception("the spool is not replayed")
            self.stopping.wait(ROUND_SECONDS)

    def work(self) -> None:
        """One round. Raises Unavailable, redis.RedisError and OSError."""
        if self.sites is not None:
            self.look_at_sites(self.sites)
        if self.onlookers is not None:
            self.look_at_onlookers(self.onlookers)
        if time.monotonic() - self.looked_at > SELDOM_SECONDS:
            self.looked_at = time.monotonic()
            self.take_over()
            longer = self.sites.longer_periods if self.sites is not None else ()
            self.salts.look_ahead(self.clock(), longer)
            self.forget_spools()
        with suppress(Unavailable, redis.RedisError):  # later, then; the spool does not wait for it
            self.refused.tell(self.queue)
        if not self.abandoned and self.spool.own is None and not self.reported:
            return
        self.queue.redis.ping()  # or files would be closed for nothing, twice a second
        homes = [*self.abandoned]
        if (own := self.spool.close_file()) is not None:
            homes.append(own)
        self.report(homes)
        for home in homes:
            self.replay(home)
        self.report(homes)

    def look_at_sites(self, sites: SiteBook) -> None:
        """What was known holds on, where Redis or the disk fails; the spool waits for neither."""
        try:
            sites.look()
            sites.tell_used()
        except redis.RedisError as error:
            log.debug("what is set for sites is not known anew: %s", error)
        except OSError as error:
            self.disk.say(f"what is set for sites cannot be kept: {error}")

    def look_at_onlookers(self, onlookers: Onlookers) -> None:
        """Where Redis has just not answered, it is not waited for again."""
        if self.sites is not None and not self.sites.is_answered:
            onlookers.leave()
            return
        with suppress(redis.RedisError):  # then nobody can be told
            onlookers.look()

    def take_over(self) -> None:
        """Hold from now on what processes left that have ended."""
        for home in self.spool.abandoned():
            self.abandoned.append(home)
            self.reported.add(home.directory.name)

    def forget_spools(self) -> None:
        """Give up what machines that are gone have told."""
        for name, spooled in self.queue.forget_spools(self.clock()).items():
            log.warning("gave up %d events in the spool %s: it is gone", spooled.events, name)

    def replay(self, home: Home) -> None:
        events = sum(kept.events for kept in home.closed)
        try:
            is_done = replay(home, self.queue, self.stopping.is_set)
        except OSError as error:  # of this one; the others are replayed all the same
            log.error("the spool in %s cannot be read: %s", home.directory, error)
            if home in self.abandoned and not home.is_there():
                self.abandoned.remove(home)
                home.give_up()
            return
        if not is_done:
            if not self.stopping.is_set():
                self.backlog.say(f"{home.directory} waits: the backlog is at its limit")
            return
        if events:
            log.info("pushed %d events that were kept in %s", events, home.directory)
        if home in self.abandoned:
            self.abandoned.remove(home)
            home.leave()

    def report(self, homes: list[Home]) -> None:
        """Tell Redis what waits, where it listens; also of those that are gone, that nothing
        does."""
        waiting = {home.directory.name: self.spooled(home) for home in homes}
        for name in [*waiting, *(self.reported - waiting.keys())]:
            spooled = waiting.get(name)
            if spooled is not None:
                self.reported.add(name)
            if name in self.reported:
                self.queue.report_spool(name, spooled)
            if spooled is None:
                self.reported.discard(name)

    def spooled(self, home: Home) -> Spooled | None:
        oldest = home.oldest
        if oldest is None or not home.events:
            return None
        return Spooled(home.events, home.size, oldest, self.clock())
