"""The short form of `python -m bench.chaos`: three seeds, each of a few faults."""

from pathlib import Path

import pytest

from bench.chaos.run import Plan, run
from tests.servers import MariaDbServer, ValkeyServer

SECONDS = 5.0


@pytest.mark.parametrize(
    ("seed", "database", "server"),
    [(1, "sqlite", "gunicorn"), (2, "sqlite", "granian"), (3, "mariadb", "granian")],
)
def test_whatever_goes_wrong_nothing_is_lost_or_doubled(
    request: pytest.FixtureRequest, tmp_path: Path, seed: int, database: str, server: str
) -> None:
    mariadb: MariaDbServer | None = None
    if database == "mariadb":
        mariadb = request.getfixturevalue("mariadb")
    with ValkeyServer() as valkey:
        found = run(Plan(seed, database, server, SECONDS), tmp_path, valkey, mariadb)
    assert found.faults == []
    assert found.accepted > 0
    assert found.played
