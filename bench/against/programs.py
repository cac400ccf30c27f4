"""Programs of either version, driven only by what is stable between versions: the names of the
commands, settings in the environment, HTTP, and what is in Redis and in the database.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psutil

from bench.against.versions import Version
from tests.servers import Server, ServiceProcess

# Those that answer /health.
SERVING = ("ingestion", "reporting")
MIGRATE_SECONDS = 120


class CannotRun(Exception):
    """A program of a version does not run here, for instance without a dependency it had."""


class Program(ServiceProcess):
    """`python -m MODULE` of a version, on these settings."""

    def __init__(self, version: Version, module: str, settings: Mapping[str, object]) -> None:
        super().__init__(module, settings, version.tree)

    def start(self) -> None:
        try:
            super().start()
        except (RuntimeError, AssertionError) as error:  # it ended, or it never answered
            raise CannotRun(f"{self.module}: {last_error(self.log()) or error}") from error

    def is_ready(self) -> bool:
        return self.module not in SERVING or super().is_ready()


def last_error(log: str) -> str:
    """The last line of a log that names an exception; empty where none does."""
    lines = re.findall(r"^.*\b\w+(?:Error|Exception): .*$", log, re.MULTILINE)
    return lines[-1].strip() if lines else ""


def migrate(version: Version, settings: Mapping[str, object]) -> None:
    """Bring a database to a version's newest tables."""
    with contextlib.closing(Program(version, "footfall", settings)) as program:
        done = subprocess.run(
            [sys.executable, "-m", "footfall", "migrate"],
            cwd=program.directory,
            env=program.environment(),
            capture_output=True,
            text=True,
            timeout=MIGRATE_SECONDS,
            check=False,
        )
    if done.returncode:
        raise CannotRun(f"footfall migrate: {last_error(done.stderr) or done.stderr}")


def cpu_seconds(*servers: Server) -> float:
    """User and system time that these servers' processes, and all they started, have taken."""
    return sum(sum(process.cpu_times()[:4]) for process in processes_of(servers))


def processes_of(servers: tuple[Server, ...]) -> Iterator[psutil.Process]:
    for server in servers:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        yield from [process, *process.children(recursive=True)]
