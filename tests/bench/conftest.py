"""What tests of benchmarks need of this tree."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.servers import ROOT


@pytest.fixture
def repository() -> None:
    """Files from an archive have no commit to be compared with."""
    is_one = shutil.which("git") and (ROOT / ".git").exists()
    require(is_one, "this is no git repository: comparing with a commit is not tested")


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where everything temporary is to be put. Not tmp_path, which is too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="ff-") as directory:
        yield Path(directory)
