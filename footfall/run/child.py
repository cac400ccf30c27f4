"""A program that is kept running: started again when it dies, given up when it cannot run."""

import signal
import time

from footfall.run.console import Console
from footfall.run.process import Process, Program, describe
from shared.errors import FootfallError
from shared.process import BAD_SETTING_STATUS

# A process that ends sooner than this after its start has not run properly. Gunicorn tries for 5 s
# to get its port before it gives up.
EARLY_SECONDS = 10.0
MOST_EARLY_DEATHS = 5
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0


class CannotRun(FootfallError):
    """A program does not run, whatever is tried; the message ends with its last words."""


class Child:
    """A program and its process, if it has one now."""

    def __init__(self, program: Program, console: Console) -> None:
        self.program = program
        self.console = console
        self.early_deaths = 0
        self.start()

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process: Process | None = Process(self.program, self.console)

    def tend(self) -> None:
        """Notice the process's death, and start it again when it is time.

        Raises CannotRun where that is in vain.
        """
        if self.process is None:
            if time.monotonic() >= self.start_at:
                self.start()
        elif self.process.poll() is not None:
            self.bury(self.process)

    def bury(self, process: Process) -> None:
        status = process.end()
        self.process = None
        ran_seconds = time.monotonic() - self.started_at
        self.early_deaths = self.early_deaths + 1 if ran_seconds < EARLY_SECONDS else 0
        if self.is_hopeless(status):
            raise cannot_run(process, f"cannot run: it ended with {describe(status)}")
        delay = min(FIRST_DELAY_SECONDS * 2**self.early_deaths, LONGEST_DELAY_SECONDS)
        self.start_at = time.monotonic() + delay
        self.console.say(
            f"{self.program.name} ended with {describe(status)}; starting it again in {delay:.1f} s"
        )

    def is_hopeless(self, status: int) -> bool:
        # SIGKILL comes from outside, from an operator or a kernel short of memory, and says nothing
        # about whether the program can run.
        return status == BAD_SETTING_STATUS or (
            self.early_deaths >= MOST_EARLY_DEATHS and status != -signal.SIGKILL
        )


def cannot_run(process: Process, reason: str) -> CannotRun:
    return CannotRun("\n    ".join([f"{process.name} {reason}", *process.last_lines]))
