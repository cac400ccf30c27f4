"""The benchmarks' short forms, which only show that they work. No figure of theirs is judged here:
a machine that runs tests is too busy to hold a bar, and `make bench` says itself what is missed.
"""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

from tests.conftest import require
from tests.servers import ROOT, MariaDbServer

NO_WRK = "wrk is not installed: the benchmark is not tested. To test it: apt-get install wrk"
TIMEOUT_SECONDS = 600


def run_short_form(
    module: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE --quick`, to its end."""
    require(MariaDbServer.is_installed(), MariaDbServer.advice)
    require(shutil.which("wrk"), NO_WRK)
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
