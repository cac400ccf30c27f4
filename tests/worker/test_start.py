"""A worker does not start on a database that lacks something; one that is away it waits for."""

import dataclasses
import os
import subprocess
import sys

import pytest
from sqlalchemy import Engine, text

from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.servers import PATIENCE_SECONDS, ROOT, ServiceProcess, free_port, wait_until

MODULES = ["worker", "worker.periodic"]


def addresses(settings: Settings) -> dict[str, str]:
    return {"REDIS_URL": settings.redis_url, "DATABASE_URL": settings.database_url}


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("statement", "lack"),
    [
        ("DROP TABLE users_by_week", "the table users_by_week"),
        ("ALTER TABLE segments DROP COLUMN known_columns", "the column segments.known_columns"),
    ],
)
def test_what_the_database_lacks_is_named_and_nothing_started(
    engine: Engine, database_settings: Settings, module: str, statement: str, lack: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))
    finished = subprocess.run(
        [sys.executable, "-m", module],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **addresses(database_settings)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert line == f"footfall: DATABASE_URL: the database lacks {lack}; run `make migrate`"


class Worker(ServiceProcess):
    """It has no port to ask."""

    def is_ready(self) -> bool:
        return True


@pytest.mark.parametrize("module", MODULES)
def test_while_the_database_is_away_it_starts_and_waits(
    settings: Settings, queue: EventQueue, module: str
) -> None:
    url = f"mysql://nobody@127.0.0.1:{free_port()}/none"
    away = dataclasses.replace(settings, database_url=url)
    with Worker(module, addresses(away)) as process:
        wait_until(lambda: queue.redis.exists("rq:workers"), 10)
        assert not process.has_ended()
