"""Granian, configured by our settings: heads and bodies are read, and answers sent, by no thread of
Python's, so that a client that stalls costs its connection and nothing else."""

import logging
import math
import os
import resource
import signal
import threading
import time

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

GRANIANS_LOG = "_granian"
GRACE_SECONDS = 5
# A head has so long to arrive; the same clock runs while a kept connection is idle.
HEAD_SECONDS = 20
# What a connection that stalls may hold of a head; the longest that is read.
HEAD_BYTES = 64 << 10
# Connections of a process; those beyond wait in the kernel's queue. Idle ones count.
MOST_CONNECTIONS = 32_768
WAITING_CONNECTIONS = 4096
# Of a process, for its log, its libraries, its database and Redis.
OTHER_FILES = 128
STOPPING = (signal.SIGTERM, signal.SIGINT)
# How late a signal may be noticed.
LOOK_SECONDS = 0.1


class Interrupt(threading.Event):
    """What the main process waits for: a signal, or a worker that ended.

    Granian's own is a plain Event, which its signal handler sets: one that comes while the main
    thread is on its way into `wait` finds the lock inside taken by that very thread, and both wait
    for ever. This one takes no lock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_told = False

    def is_set(self) -> bool:
        return self.is_told

    def set(self) -> None:
        self.is_told = True

    def clear(self) -> None:
        self.is_told = False

    def wait(self, timeout: float | None = None) -> bool:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not self.is_told and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return self.is_told


def serve(
    factory: str,
    *,
    interface: Interfaces,
    host: str,
    port: int,
    processes: int,
    threads: int,
    level: str,
) -> None:
    """Serve the application that `factory` (`module:function`) makes, until SIGTERM or SIGINT;
    requests under way get GRACE_SECONDS to end."""
    logging.getLogger(GRANIANS_LOG).addFilter(is_of_use)
    let_starting_workers_end()
    server = Granian(
        factory,
        factory=True,
        interface=interface,
        address=host,
        port=port,
        workers=processes,
        blocking_threads=threads,
        backlog=WAITING_CONNECTIONS,
        backpressure=allow_connections(),
        # Granian's other mode waits for ever for the first byte, to tell the versions apart.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=1000 * HEAD_SECONDS, max_buffer_size=HEAD_BYTES
        ),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        log_level=LogLevels(level),
    )
    server.main_loop_interrupt = Interrupt()
    server.serve()


def let_starting_workers_end() -> None:
    """Have a worker that is told to stop before it serves end at once.

    It is forked with the handlers of its parent, which only wake the parent's loop: a signal that
    came before it set its own was lost, and the worker killed GRACE_SECONDS later.
    """
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING),
        after_in_child=end_when_told,
    )


def end_when_told() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def is_of_use(record: logging.LogRecord) -> bool:
    """Granian warns of more threads than it has cores; here most of them only wait."""
    return "allows spawning up to" not in record.getMessage()


def allow_connections() -> int:
    """How many connections each process may have, its limit of open files raised for them."""
    wanted = MOST_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
        wanted = max(soft, allowed)
    return max(1, min(MOST_CONNECTIONS, wanted - OTHER_FILES))
