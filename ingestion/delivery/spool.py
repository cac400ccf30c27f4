"""The spool: what Redis does not take now is kept in files, until it does.

A process appends to a directory of its own, which it holds by a lock; the directory of one that has
ended is taken over by another. A thread writes what all requests bring meanwhile, and has it synced
to disk once for all of them, before anybody is told that it is kept. Files are closed at
FILE_BYTES, replayed from their beginning and then removed: what was pushed already is known to
Redis by its place.
"""

import contextlib
import fcntl
import logging
import os
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ingestion.delivery.records import Record, packed, records_from
from ingestion.telemetry import TORN
from shared.clock import now_ms
from shared.errors import Unavailable
from shared.queue.event_queue import arrival
from shared.queue.push_command import Place, new_stream

log = logging.getLogger(__name__)

FILE_BYTES = 8 * 1024 * 1024
# Written at once, at most; so many requests share one sync.
GROUP_BYTES = 4 * 1024 * 1024
# How long another process's bytes are believed to be the same.
MEASURE_SECONDS = 1.0
# After a write that failed, how long the next one is not believed to do better. Nobody may ask for
# it: a load balancer that is told so sends no events.
FAILING_SECONDS = 10.0
LOCK = "lock"
SUFFIX = ".events"
HIDDEN = "."


class Keep(NamedTuple):
    """Requests to be kept, in the order of their places, and who is told whether they are. A
    request without a place gets one of the spool's own."""

    requests: Sequence[tuple[Place | None, Sequence[bytes]]]
    tell: Callable[[Unavailable | None], None]


class Kept(NamedTuple):
    """What stands in one file, and of that how many events, from which byte on, are not pushed yet;
    `oldest` is when its first event arrived, in ms."""

    path: Path
    events: int
    bytes: int
    oldest: int
    pushed: int = 0


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
                error = self.write_group(group)
            except Exception:  # a fault of ours must not end the only thread that writes
                log.exception("nothing is kept in %s", self.root)
                error = Unavailable("queue_unavailable", "the queue takes no events")
            for keep in group:
                keep.tell(error)

    def write_group(self, group: Sequence[Keep]) -> Unavailable | None:
        try:
            if not self.has_room():
                reason = f"and SPOOL_MAX_BYTES, {self.max_bytes}, wait in {self.root} already"
                return Unavailable("queue_unavailable", f"the queue takes no events, {reason}")
            with self.lock:
                if self.own is None:
                    self.own = Home.new(self.root)
                self.own.append([request for keep in group for request in keep.requests])
        except OSError as error:
            self.failing_until = time.monotonic() + FAILING_SECONDS
            log.error("nothing can be kept in %s: %s", self.root, error)
            reason = f"nothing can be kept in {self.root}: {error.strerror}"
            return Unavailable("queue_unavailable", f"the queue takes no events, and {reason}")
        return None

    def is_of_use(self) -> bool:
        """Whether something could be kept, as far as that is known."""
        return time.monotonic() > self.failing_until and self.has_room()

    def has_room(self) -> bool:
        return self.used_bytes() < self.max_bytes

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


class Home:
    """A directory of files with events, locked by this process."""

    def __init__(self, directory: Path, lock: int) -> None:
        self.directory = directory
        self.lock = lock
        self.stream = new_stream()
        self.number = 0
        self.files = 0
        self.open: int | None = None
        self.current: Kept | None = None
        self.closed: list[Kept] = []

    @classmethod
    def new(cls, root: Path) -> "Home":
        root.mkdir(parents=True, exist_ok=True)
        sync_directory(root.parent)
        # Hidden until it is locked: another process would take it for one that was left.
        hidden = root / f"{HIDDEN}{secrets.token_hex(8)}"
        hidden.mkdir(mode=0o700)
        lock = try_lock(hidden)
        assert lock is not None
        directory = hidden.rename(root / hidden.name.removeprefix(HIDDEN))
        sync_directory(root)
        return cls(directory, lock)

    @classmethod
    def taken_over(cls, directory: Path) -> "Home | None":
        """None where its process lives, or where it is none. Raises OSError."""
        is_one = directory.is_dir() and not directory.name.startswith(HIDDEN)
        lock = try_lock(directory) if is_one else None
        if lock is None:
            return None
        home = cls(directory, lock)
        try:
            for path in sorted(directory.glob(f"*{SUFFIX}")):
                home.closed.append(measured(path))
        except BaseException:
            os.close(lock)  # so that it can be tried again
            raise
        return home

    @property
    def events(self) -> int:
        return sum(kept.events for kept in self.all_kept())

    @property
    def size(self) -> int:
        return sum(kept.bytes for kept in self.all_kept())

    @property
    def oldest(self) -> int | None:
        """When its first event arrived, in ms."""
        return min((kept.oldest for kept in self.all_kept()), default=None)

    def all_kept(self) -> list[Kept]:
        return [*self.closed, *([self.current] if self.current else [])]

    def append(self, requests: Sequence[tuple[Place | None, Sequence[bytes]]]) -> None:
        """Keep requests on disk. Raises OSError, and then nothing of them is there."""
        records = []
        for place, events in requests:
            if place is None:
                self.number += 1
                place = Place(self.stream, self.number)
            records.append(Record(place, list(events)))
        data = b"".join(map(packed, records))
        if self.open is None:
            self.open_file(oldest_of(records))
        assert self.open is not None
        assert self.current is not None
        try:
            write_all(self.open, data)
            os.fdatasync(self.open)
        except OSError:
            self.cut_back()
            raise
        was = self.current
        added = sum(len(record.events) for record in records)
        self.current = was._replace(events=was.events + added, bytes=was.bytes + len(data))
        if self.current.bytes > FILE_BYTES:
            self.close_file()

    def open_file(self, oldest: int) -> None:
        self.files += 1
        path = self.directory / f"{self.files:08d}{SUFFIX}"
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            sync_directory(self.directory)
        except OSError:
            os.close(opened)
            path.unlink()
            raise
        self.open, self.current = opened, Kept(path, 0, 0, oldest)

    def cut_back(self) -> None:
        """After a write that failed: leave what was there before, and go on in another file."""
        assert self.open is not None
        assert self.current is not None
        try:
            os.ftruncate(self.open, self.current.bytes)
            os.fdatasync(self.open)
        finally:
            self.close_file()

    def close_file(self) -> None:
        if self.open is None or self.current is None:
            return
        # Forgotten first: its number may soon be another file's.
        opened, closed, self.open, self.current = self.open, self.current, None, None
        os.close(opened)
        if closed.events:
            self.closed.append(closed)
        else:
            closed.path.unlink()

    def have_pushed(self, kept: Kept, end: int, events: int) -> Kept:
        """Go on from there, as long as this process lives: another begins at the beginning."""
        left = kept._replace(pushed=end, events=kept.events - events)
        self.closed[self.closed.index(kept)] = left
        return left

    def done_with(self, kept: Kept) -> None:
        """Remove a file of which all is in Redis."""
        kept.path.unlink()
        self.closed.remove(kept)

    def leave(self) -> None:
        """Remove the directory, of which nothing is left."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self.lock)


def measured(path: Path) -> Kept:
    """What a file holds; a torn end is cut off, and like damaged records said and counted."""
    data = path.read_bytes()
    found = list(records_from(data))
    end = found[-1][0] if found else 0
    records = [record for _, record in found if record]
    if damaged := len(found) - len(records):
        log.error("%s: cannot read %d damaged records", path, damaged)
        TORN.inc(damaged)
    if end < len(data):
        log.warning("%s: cut off %d bytes of a torn record", path, len(data) - end)
        TORN.inc()
        os.truncate(path, end)
    events = sum(len(record.events) for record in records)
    return Kept(path, events, end, oldest_of(records))


def oldest_of(records: Sequence[Record]) -> int:
    """When the first of these arrived, in ms; now, where that cannot be read."""
    first = arrival(records[0].events[0]) if records else None
    return now_ms() if first is None else first


def try_lock(directory: Path) -> int | None:
    """The directory's lock, held until it is closed; None where another process holds it."""
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # removed meanwhile
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_of(keep: Keep) -> int:
    return sum(sum(map(len, events)) for _, events in keep.requests)


def size_of_file(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
