"""A server that is told to stop while its workers are still starting."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from granian import Granian
from granian.constants import Interfaces

from shared.http import granian_server
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


class Taken:
    """A lock that the thread which asks for it has already: it would wait for ever."""

    def __enter__(self) -> None:
        raise AssertionError("a signal's handler waits for the thread that it interrupts")

    def __exit__(self, *_: object) -> None:
        pass


def test_a_signal_in_the_middle_of_waiting_needs_no_lock_that_waiting_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers: list[Any] = []
    monkeypatch.setattr(Granian, "serve", lambda server: servers.append(server))
    monkeypatch.setattr(granian_server, "let_starting_workers_end", lambda: None)
    options = {"host": "127.0.0.1", "port": 1, "processes": 1, "threads": 1, "level": "info"}
    granian_server.serve("none:none", interface=Interfaces.WSGI, **options)  # type: ignore[arg-type]
    (server,) = servers
    server.main_loop_interrupt._cond = Taken()
    monkeypatch.setattr(time, "sleep", lambda _: server.signal_handler_interrupt())
    server.main_loop_interrupt.wait()
    assert server.main_loop_interrupt.is_set()
    server.main_loop_interrupt.clear()
    assert not server.main_loop_interrupt.is_set()
