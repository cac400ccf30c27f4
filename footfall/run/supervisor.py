"""Keeps programs running, and stops them all, in order and in time."""

import http.client
import time
from collections.abc import Callable, Iterable

from footfall.run.child import CannotRun, Child, cannot_run
from footfall.run.console import Console
from footfall.run.process import Process, Program, describe
from footfall.run.signals import Signals

# When each phase of stopping is over, in seconds from the request; what still runs then is killed.
# That loses nothing: what was acknowledged is in Valkey's file, and a batch is stored or adopted.
STOP_DEADLINES_SECONDS = (4.5, 6.5, 7.5)
HEALTH_SECONDS = 60.0
TICK_SECONDS = 1.0
SHORT_TICK_SECONDS = 0.05


class StopRequested(Exception):
    """Someone sent SIGINT, SIGTERM or SIGHUP."""


class Supervisor:
    """The programs of one command. A context: leaving it stops everything.

    Belongs to the main thread. Whatever waits raises StopRequested, and CannotRun.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.signals = Signals()
        self.children: list[Child] = []

    def __enter__(self) -> "Supervisor":
        self.signals.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.console.say("stopping")
        asked_at = time.monotonic()
        for phase, seconds in enumerate(STOP_DEADLINES_SECONDS):
            children = [child for child in self.children if child.program.stop_phase == phase]
            self.stop([c.process for c in children if c.process], asked_at + seconds)
        self.console.say("stopped")

    def run_once(self, program: Program) -> None:
        """Run a program to its end; raises CannotRun where it fails."""
        process = Process(program, self.console)
        try:
            while process.poll() is None:
                self.tend(TICK_SECONDS)
        finally:
            status = process.end()
        if status:
            raise cannot_run(process, f"failed with {describe(status)}")

    def start(self, programs: Iterable[Program]) -> None:
        """Start programs, to be kept running from now on."""
        for program in programs:
            self.children.append(Child(program, self.console))

    def wait_for(self, ready: Callable[[], bool], every: float = SHORT_TICK_SECONDS) -> None:
        while not ready():
            self.tend(every)

    def wait_for_health(self) -> None:
        """Wait until every service answers; raises CannotRun where one does not."""
        deadline = time.monotonic() + HEALTH_SECONDS
        for child in self.children:
            while not is_healthy(child.program.health):
                self.tend(SHORT_TICK_SECONDS)
                if time.monotonic() > deadline:
                    raise CannotRun(f"{child.program.name} does not answer")

    def run(self) -> None:
        """Keep everything running until a signal."""
        while True:
            self.tend(TICK_SECONDS)

    def tend(self, seconds: float) -> None:
        """See to the children, then sleep until `seconds` have passed or something happens."""
        for child in self.children:
            child.tend()
        if any(child.process is None for child in self.children):  # one waits for its next start
            seconds = min(seconds, SHORT_TICK_SECONDS)
        if not self.signals.stop_requested:
            self.signals.wait(seconds)
        if self.signals.stop_requested:
            raise StopRequested

    def stop(self, processes: list[Process], deadline: float) -> None:
        """Ask these processes to stop, and kill those that have not by the deadline."""
        for process in processes:
            process.ask_to_stop()
        while any(p.poll() is None for p in processes) and time.monotonic() < deadline:
            self.signals.wait(min(TICK_SECONDS, deadline - time.monotonic()))
        for process in processes:
            if process.poll() is None:
                self.console.say(f"{process.name} did not stop in time and is killed")
            process.end()


def is_healthy(address: tuple[str, int] | None) -> bool:
    """Whether the service there answers; what serves no HTTP is healthy while it runs."""
    if address is None:
        return True
    connection = http.client.HTTPConnection(*address, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
