"""A program of Footfall, and one operating system process of it.

Each process leads a group of its own, so that a terminal's Ctrl-C reaches only the supervisor, and
what it started can be ended with it: a server that is killed leaves orphans that keep its port.
"""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO

from footfall.run.console import Console

LEASH = Path(__file__).with_name("leash.py")
LONGEST_LINE_BYTES = 65_536
REMEMBERED_LINES = 12


@dataclasses.dataclass(frozen=True)
class Program:
    """What runs under a name.

    Programs of `stop_phase` 0 are stopped first. `health` is the address that answers `/health`,
    `descriptors` are open files that the process inherits, `environment` is what it finds there
    besides what is there already.
    """

    name: str
    command: tuple[str, ...]
    stop_phase: int
    health: tuple[str, int] | None = None
    descriptors: tuple[int, ...] = ()
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


class Process:
    """One process of a program.

    To be made in the main thread: Linux takes the end of the thread that started a process for the
    death of its parent.
    """

    def __init__(self, program: Program, console: Console) -> None:
        self.name = program.name
        self.last_lines: deque[str] = deque(maxlen=REMEMBERED_LINES)
        self.popen = subprocess.Popen(  # noqa: S603  # our own programs
            leashed(program.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | program.environment,
            start_new_session=True,
            pass_fds=program.descriptors,
        )
        assert self.popen.stdout is not None
        self.relay = threading.Thread(
            target=self.pass_on, args=(self.popen.stdout, console), daemon=True
        )
        self.relay.start()

    def pass_on(self, output: IO[bytes], console: Console) -> None:
        """Print what the process says, until it and all it started are gone."""
        with output:
            while line := output.readline(LONGEST_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                self.last_lines.append(text)
                console.line(self.name, text)

    def poll(self) -> int | None:
        """None while it runs; then its exit status, negative for the signal that ended it."""
        return self.popen.poll()

    def ask_to_stop(self) -> None:
        self.popen.terminate()

    def end(self) -> int:
        """Kill the process, if it still runs, and what it left behind; returns its exit status."""
        # macOS answers EPERM for a group in which only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        status = self.popen.wait()
        # Its last words say why it ended; only what has left the group can keep the pipe open.
        self.relay.join(timeout=1)
        return status


def leashed(command: tuple[str, ...]) -> tuple[str, ...]:
    """The command, made to stop by itself when this process is killed."""
    if sys.platform != "linux":
        return command
    return (sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command)


def describe(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:  # a real-time signal has no name
        return f"signal {-status}"
