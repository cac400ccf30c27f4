"""A process's part of the spool: a directory of files, which it holds by a lock.

Files are closed at FILE_BYTES, replayed from their beginning and then removed.
"""

import fcntl
import logging
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ingestion.delivery.records import Record, packed, records_from
from ingestion.telemetry import TORN
from shared.clock import now_ms
from shared.queue.event_queue import arrival
from shared.queue.push_command import Place, new_stream

log = logging.getLogger(__name__)

FILE_BYTES = 8 * 1024 * 1024
LOCK = "lock"
SUFFIX = ".events"
HIDDEN = "."


class Kept(NamedTuple):
    """What stands in one file, and of that how many events, from which byte on, are not pushed yet;
    `oldest` is when its first event arrived, in ms."""

    path: Path
    events: int
    bytes: int
    oldest: int
    pushed: int = 0


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

    def is_there(self) -> bool:
        """Whether its directory, and the file that is written to, are where they were made: both
        could be written to where somebody has removed them, and nobody would find it again."""
        try:
            found = (self.directory / LOCK).stat()
        except FileNotFoundError:
            return False
        is_removed = self.open is not None and os.fstat(self.open).st_nlink == 0
        return os.path.samestat(found, os.fstat(self.lock)) and not is_removed

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

    def give_up(self) -> None:
        """Forget a directory that is not there any more. Where it was moved, its lock is free."""
        opened, self.open, self.current = self.open, None, None
        if opened is not None:
            os.close(opened)
        os.close(self.lock)

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
