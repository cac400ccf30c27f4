"""The benchmarks' short forms, which only show that they work. No figure of theirs is judged here:
a machine that runs tests is too busy to hold a bar, and `make bench` says itself what is missed.
"""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import NO_MARIADB
from tests.servers import ROOT, MariaDbServer

TIMEOUT_SECONDS = 600


def run_short_form(
    module: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE --quick`, to its end."""
    missing = None if MariaDbServer.is_installed() else NO_MARIADB
    if shutil.which("wrk") is None:
        missing = "wrk is not installed: the benchmark is not tested. apt-get install wrk"
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    return subprocess.run(
        [sys.executable, "-m", module, "--quick", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def result(name: str) -> Any:
    """What the last run wrote down."""
    return json.loads((ROOT / f"bench/results/{name}.json").read_text())
