"""The spool: what Redis does not take now is kept in files, until it does.

A process appends to a directory of its own, which it holds by a lock; the directory of one that has
ended is taken over by another. A thread writes what all requests bring meanwhile, and has it synced
to disk once for all of them, before anybody is told that it is kept. Files are closed at
FILE_BYTES, replayed from their beginning and then removed: what was pushed already is known to
Redis by its place.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ingestion.delivery.home import SUFFIX, Home
from ingestion.delivery.records import most_packed_bytes
from shared.errors import Unavailable
from shared.queue.push_command import Place
from shared.waiting import Reminder

log = logging.getLogger(__name__)

# Written at once, at most; so many requests share one sync.
GROUP_BYTES = 4 * 1024 * 1024
# The largest event's record.
EVENT_BYTES = 33 * 1024
# How long another process's bytes are believed to be the same.
MEASURE_SECONDS = 1.0
# After a write that failed, how long the next one is not believed to do better. Nobody may ask for
# it: a load balancer that is told so sends no events.
FAILING_SECONDS = 10.0


class Keep(NamedTuple):
    """Requests to be kept, in the order of their places, and who is told whether they are. A
    request without a place gets one of the spool's own."""

    requests: Sequence[tuple[Place | None, Sequence[bytes]]]
    tell: Callable[[Unavailable | None], None]


class Spool:
    """One process's spool, a directory of its own under `directory`.

    `max_bytes` holds for all processes of the machine together; 0 turns it off.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.root = directory
        self.max_bytes = max_bytes
        self.keeps: queue.SimpleQueue[Keep] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.own: Home | None = None
        self.writer: threading.Thread | None = None
        self.measured = (0.0, 0)
        self.failing_until = 0.0
        self.reminder = Reminder()

    @property
    def is_on(self) -> bool:
        return self.max_bytes > 0

    def keep(self, keep: Keep) -> None:
        """Have requests kept; returns at once. Each batch of them is kept whole, or not at all."""
        if self.writer is None:
            with self.lock:
                if self.writer is None:
                    self.writer = threading.Thread(target=self.write, name="spool", daemon=True)
                    self.writer.start()
        self.keeps.put(keep)

    def wait_to_keep(self, place: Place | None, events: Sequence[bytes]) -> None:
        """Have one request's events kept, and wait for it. Raises Unavailable."""
        told: queue.SimpleQueue[Unavailable | None] = queue.SimpleQueue()
        self.keep(Keep([(place, events)], told.put))
        if (error := told.get()) is not None:
            raise error

    def write(self) -> None:
        """What the writing thread does."""
        while True:
            group = [self.keeps.get()]
            size = size_of(group[0])
            with contextlib.suppress(queue.Empty):
                while size < GROUP_BYTES:
                    group.append(self.keeps.get_nowait())
                    size += size_of(group[-1])
            try:
                errors = self.write_group(group)
            except Exception:  # a fault of ours must not end the only thread that writes
                log.exception("nothing is kept in %s", self.root)
                errors = [Unavailable("queue_unavailable", "the queue takes no events")] * len(
                    group
                )
            for keep, error in zip(group, errors, strict=True):
                keep.tell(error)

    def fitting(self, group: Sequence[Keep]) -> int:
        """How many of these, from the first on, may be written."""
        left = self.max_bytes - self.used_bytes()
        for number, keep in enumerate(group):
            left -= size_of(keep)
            if left < 0:
                return number
        return len(group)

    def full(self) -> Unavailable:
        reason = f"and SPOOL_MAX_BYTES, {self.max_bytes}, leaves no room in {self.root}"
        return Unavailable("queue_unavailable", f"the queue takes no events, {reason}")

    def write_group(self, group: Sequence[Keep]) -> list[Unavailable | None]:
        """Write as many of these as there is room for; what each is told."""
        try:
            fitting = self.fitting(group)
            if fitting:
                requests = [request for keep in group[:fitting] for request in keep.requests]
                with self.lock:
                    self.give_up_removed()
                    if self.own is None:
                        self.own = Home.new(self.root)
                    self.own.append(requests)
        except OSError as error:
            self.failing_until = time.monotonic() + FAILING_SECONDS
            self.reminder.say(f"nothing can be kept in {self.root}: {error}")
            reason = f"nothing can be kept in {self.root}: {error.strerror}"
            failed = f"the queue takes no events, and {reason}"
            return [Unavailable("queue_unavailable", failed)] * len(group)
        return [None] * fitting + [self.full()] * (len(group) - fitting)

    def give_up_removed(self) -> None:
        """Have another directory made where somebody has taken this process's own away."""
        home = self.own
        if home is not None and not home.is_there():
            self.own = None
            log.error("%s was taken away, with %d events in it", home.directory, home.events)
            home.give_up()

    def is_of_use(self) -> bool:
        """Whether something could be kept, as far as that is known."""
        return time.monotonic() > self.failing_until and self.has_room()

    def has_room(self) -> bool:
        """Whether any event fits; several at once may not."""
        left = self.max_bytes - self.used_bytes()
        return left > 0 and left >= min(EVENT_BYTES, self.max_bytes // 2)

    def used_bytes(self) -> int:
        """Bytes of all spools of this machine; those of other processes as of a second ago."""
        moment, used = self.measured
        own = self.own.size if self.own else 0
        if time.monotonic() - moment > MEASURE_SECONDS:
            names = self.root.glob(f"*/*{SUFFIX}") if self.root.is_dir() else ()
            used = sum(size_of_file(name) for name in names) - own
            self.measured = (time.monotonic(), used)
        return used + own

    def close_file(self) -> "Home | None":
        """This process's own, its file closed where all others are replayed."""
        with self.lock:
            self.give_up_removed()
            if self.own is not None and not self.own.closed:
                self.own.close_file()
            return self.own

    def abandoned(self) -> Iterator["Home"]:
        """What processes left that have ended: held by this one from now on."""
        if not self.root.is_dir():
            return
        for directory in sorted(self.root.iterdir()):
            try:
                home = Home.taken_over(directory)
            except OSError as error:  # of this one; there may be others
                log.error("the spool in %s cannot be read: %s", directory, error)
                continue
            if home is not None:
                yield home


def size_of(keep: Keep) -> int:
    """The bytes of it on disk, at most."""
    return sum(most_packed_bytes(events) for _, events in keep.requests)


def size_of_file(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
