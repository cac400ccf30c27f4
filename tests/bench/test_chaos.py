"""The short form of `python -m bench.chaos`: three seeds, each of a few faults."""

import shutil
import subprocess
import sys

import pytest

from tests.conftest import require
from tests.servers import ROOT, MariaDbServer

SECONDS = 5


@pytest.mark.parametrize(
    ("seed", "database", "server"),
    [(1, "sqlite", "gunicorn"), (2, "sqlite", "granian"), (3, "mariadb", "granian")],
)
def test_whatever_goes_wrong_nothing_is_lost_or_doubled(
    request: pytest.FixtureRequest, seed: int, database: str, server: str
) -> None:
    require(shutil.which("cc"), "cc is not installed: nothing moves the clock")
    if database == MariaDbServer.kind:
        request.getfixturevalue("mariadb")  # whether there is one
    its_seed = ["--seed", str(seed), "--database", database, "--server", server]
    done = subprocess.run(
        [sys.executable, "-m", "bench.chaos", *its_seed, "--seconds", str(SECONDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 seeds, 0 of them wrong" in done.stdout
