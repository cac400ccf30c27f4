"""`footfall` as real processes, each on a data directory and ports of its own."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from shared.db.database import writing_engine
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import PATIENCE_SECONDS, ROOT, Server, free_port, wait_until

Environment = dict[str, str]
READY = {"run": "Footfall is running", "demo": "This is the demo", "valkey": "Valkey listens on"}


class Footfall(Server):
    """`footfall COMMAND` and all it starts; `under` is a program that becomes this one."""

    def __init__(self, environment: Environment, *command: str, under: str | None = None) -> None:
        super().__init__()
        self.settings = environment
        self.arguments = command
        self.under = [under] if under else []

    def command(self) -> list[str]:
        return [*self.under, sys.executable, "-m", "footfall", *self.arguments]

    def environment(self) -> Mapping[str, str]:
        return self.settings

    def is_ready(self) -> bool:
        return READY.get(self.arguments[0], "started; Ctrl-C stops") in self.log()

    def close(self) -> None:
        if not self.has_ended():
            self.stop()
        super().close()

    def processes(self) -> dict[str, psutil.Process]:
        """The processes it has started itself, by their module, or `valkey`."""
        assert self.process is not None
        found = {}
        for process in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                found[name_of(process)] = process
        return found

    def post_view(self) -> None:
        event = {"site_id": "a", "event_type": "page_view", "path": "/", "user_id": "u"}
        url = f"http://127.0.0.1:{self.settings['INGESTION_PORT']}/event"
        with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=60) as answer:
            assert answer.status == 202

    def wait_for_views(self, number: int) -> None:
        """Wait until reporting shows so many."""
        url = f"http://127.0.0.1:{self.settings['REPORTING_PORT']}/stats?site_id=a"

        def shows_them() -> bool:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return bool(json.load(answer)["total_views"] == number)

        wait_until(shows_them)


def name_of(process: psutil.Process) -> str:
    command = process.cmdline()
    return command[command.index("-m") + 1] if "-m" in command else "valkey"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Settings under which everything runs, and no other variables."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(tmp_path / "data"),
        "INGESTION_PORT": str(free_port()),
        "REPORTING_PORT": str(free_port()),
    }


@pytest.fixture
def start(environment: Environment) -> Iterator[Callable[..., Footfall]]:
    """Starts `footfall COMMAND` and waits until it says that it runs."""
    started: list[Footfall] = []

    def start(*command: str, under: str | None = None, **settings: str) -> Footfall:
        footfall = Footfall(environment | settings, *command, under=under)
        started.append(footfall)
        footfall.start()
        return footfall

    yield start
    for footfall in reversed(started):
        footfall.close()
    assert left_over(environment) == []


@pytest.fixture
def refusal(environment: Environment) -> Callable[..., list[str]]:
    """The lines that `footfall COMMAND` says when it refuses to start, and starts nothing."""

    def refusal(*command: str, **settings: str) -> list[str]:
        before = left_over(environment)
        finished = subprocess.run(
            [sys.executable, "-m", "footfall", *command],
            env=environment | settings,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert finished.returncode == 2, finished
        assert finished.stdout == ""
        assert left_over(environment) == before
        return finished.stderr.splitlines()

    return refusal


def left_over(environment: Environment) -> list[str]:
    """Processes that run on the test's data directory, whoever their parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("DATA_DIR") == environment["DATA_DIR"]:
                found.append(f"{process.pid} {process.cmdline()}")
        except (psutil.Error, OSError):  # ended meanwhile, or somebody else's
            continue
    return found


@pytest.fixture
def environ(settings: Settings, database_url: str) -> dict[str, str]:
    """What a command needs on a migrated database."""
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    engine.dispose()
    return {"REDIS_URL": settings.redis_url, "DATABASE_URL": database_url}
