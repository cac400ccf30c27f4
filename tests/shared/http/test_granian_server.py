"""A server that is told to stop while its workers are still starting."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import free_port, leashed, wait_until

STARTS_SLOWLY = """
import sys, time
from pathlib import Path
from granian.constants import Interfaces
from shared.http.granian_server import GRACE_SECONDS, serve


def create_app():
    Path(sys.argv[1]).touch()
    time.sleep(20 * GRACE_SECONDS)


if __name__ == "__main__":
    sys.modules["slow"] = sys.modules["__main__"]
    serve(
        "slow:create_app",
        interface=Interfaces.WSGI,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        processes=1,
        threads=1,
        level="info",
    )
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_told_while_its_worker_starts_it_ends_at_once(tmp_path: Path, sent: signal.Signals) -> None:
    program, starting = tmp_path / "slow.py", tmp_path / "starting"
    program.write_text(STARTS_SLOWLY)
    command = [*leashed(), sys.executable, str(program), str(starting), str(free_port())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        wait_until(starting.exists)
        asked_at = time.monotonic()
        process.send_signal(sent)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Stopped worker-1" in said
    assert "Killing" not in said
    assert time.monotonic() - asked_at < 4, said
