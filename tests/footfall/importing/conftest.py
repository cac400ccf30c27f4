"""An importer, the ingestion that it posts to, and made-up lines to import."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from footfall.importing.run import Outcome, Wanted, import_log
from ingestion.app import Ingestion
from shared.event import Event, decode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.footfall.importing.ingestion_server import IngestionServer


def log_line(number: int, path: str = "/", agent: str = "Browser/1.0") -> str:
    """A line of combined format, from one of 50 clients, on 17 May 2015."""
    clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    request = f'"GET {path} HTTP/1.1" 200 512'
    return f'192.0.2.{number % 50} - - [17/May/2015:{clock} +0000] {request} "-" "{agent}"\n'


def log_of(*numbers: int) -> bytes:
    return "".join(log_line(number, f"/page-{number}") for number in numbers).encode()


class Patience:
    """Stands for footfall.run.signals: does not sleep, but something may happen meanwhile."""

    def __init__(self, *meanwhile: Callable[[], object]) -> None:
        self.stop_requested = False
        self.meanwhile: list[Callable[[], object]] = list(meanwhile)
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        else:
            self.stop()

    def stop(self) -> None:
        self.stop_requested = True


class Import(Protocol):
    def __call__(
        self, content: bytes | None = None, settings: Settings | None = None, **changes: Any
    ) -> Outcome: ...


Queued = Callable[[], list[Event]]


@pytest.fixture
def door(ingestion: Ingestion) -> Iterator[IngestionServer]:
    door = IngestionServer(ingestion)
    door.start()
    yield door
    door.close()


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def run(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path, patience: Patience
) -> Import:
    """Import a log of this content, or the same once more; `changes` are Wanted's fields."""
    own_settings = settings

    def run(
        content: bytes | None = None, settings: Settings | None = None, **changes: Any
    ) -> Outcome:
        path = tmp_path / "access.log"
        if content is not None:
            path.write_bytes(content)
        url = changes.get("url") or request.getfixturevalue("door").url
        wanted = Wanted(str(path), "site", url, "hashed", "page_view")
        return import_log(
            dataclasses.replace(wanted, **changes), settings or own_settings, patience
        )

    return run


@pytest.fixture
def queued(queue: EventQueue) -> Queued:
    """The events that came in since it was last asked."""

    def queued() -> list[Event]:
        events: list[Event] = []
        while batch := queue.claim():
            events += map(decode_event, batch.payloads)
            queue.finish(batch.id)
        return events

    return queued


def counts(outcome: Outcome) -> tuple[int, int, int, int, int]:
    """Lines, and of them accepted, repaired, rejected and bad ones."""
    progress = outcome.progress
    lines = progress.position.lines
    return lines, progress.accepted, progress.repaired, progress.rejected, progress.bad


def paths(events: list[Event]) -> list[str | None]:
    return [event.path for event in events]
