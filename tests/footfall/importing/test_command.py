"""`footfall import access-log` as a process: its options, its words, its exit status."""

import gzip
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.http.auth import Callers
from shared.keys.keys import NO_KEYS
from tests.footfall.importing.conftest import Queued, log_line, log_of, paths
from tests.footfall.importing.ingestion_server import IngestionServer
from tests.servers import PATIENCE_SECONDS, ROOT, wait_until

SITE = ("--site", "site")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(door: IngestionServer, tmp_path: Path) -> Iterator[Start]:
    """Starts the command on `access.log` in its directory, or with other arguments."""
    started: list[subprocess.Popen[str]] = []
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(tmp_path / "data"),
        "INGESTION_PORT": str(door.server.server_port),
        "REPORTING_PORT": "8001",
    }

    def start(
        *arguments: str, stderr: int = subprocess.PIPE, **settings: str
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "footfall", "import", "access-log", *arguments],
            env=environment | settings,
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(log_of(*range(1200)))
    return path


def test_it_ends_with_the_counts_and_a_command_to_see_more(
    start: Start, log: Path, queued: Queued
) -> None:
    log.write_bytes(log_of(1, 2) + b"garbage\n" + log_line(3).encode().rstrip(b'"\n'))
    status, output, errors = ended(start("access.log", "--site", "our site"))
    assert status == 0
    assert [line.split()[:3] for line in output.splitlines()[1:6]] == [
        ["4", "lines", "read"],
        ["3", "events", "accepted"],
        ["0", "rejected", "by"],
        ["1", "bad:", "no"],
        ["1", "repaired:", "damaged"],
    ]
    assert shlex.split(output.splitlines()[-1]) == [
        "curl",
        "http://127.0.0.1:8001/stats?site_id=our+site&date=2015-05-17",
    ]
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["line 3", "line 4"]
    assert len(queued()) == 3


def test_the_command_names_the_key_that_reporting_wants(start: Start, log: Path) -> None:
    output = ended(start("access.log", *SITE, API_AUTH="secret"))[1]
    assert output.splitlines()[-1].split()[1:4] == ["-H", '"Authorization:', "Bearer"]
    assert "secret" not in output


def test_a_second_run_says_that_all_is_done(start: Start, log: Path, queued: Queued) -> None:
    ended(start("access.log", *SITE))
    status, output, _ = ended(start("access.log", *SITE))
    assert status == 0
    assert output == "access.log is imported already, to line 1,200; --again imports it anew\n"
    assert ended(start("access.log", *SITE, "--again"))[1].startswith("Imported access.log")
    assert len(queued()) == 2400


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_behind_the_request_under_way(
    start: Start, log: Path, door: IngestionServer, queued: Queued, number: signal.Signals
) -> None:
    door.on_request = lambda count: process.send_signal(number) if count == 2 else None
    process = start("access.log", *SITE)
    status, output, _ = ended(process)
    assert status == 1
    assert output.startswith("Stopped behind line 1,000 of access.log")
    assert "the same command goes on there" in output
    status, output, errors = ended(start("access.log", *SITE))
    assert (status, errors) == (0, "going on behind line 1,000\n")
    assert "(200 lines in this run)" in output
    assert "1,200 lines read" in output
    assert paths(queued()) == [f"/page-{line}" for line in range(1200)]


def test_killed_it_repeats_one_request_at_most(
    start: Start, log: Path, door: IngestionServer, queued: Queued
) -> None:
    door.on_request = lambda count: process.kill() if count == 2 else None
    process = start("access.log", *SITE)
    ended(process)
    assert ended(start("access.log", *SITE))[0] == 0
    events = queued()
    assert len({event.event_id for event in events}) == 1200
    assert len(events) <= 1700


@pytest.mark.parametrize("compress", [False, True])
def test_standard_input_is_imported_as_a_file_is(
    start: Start, log: Path, queued: Queued, compress: bool
) -> None:
    data = log.read_bytes()
    process = start("-", *SITE)
    assert process.stdin is not None
    with open(os.dup(process.stdin.fileno()), "wb") as pipe:
        pipe.write(gzip.compress(data) if compress else data)
    status, output, _ = ended(process)
    assert status == 0
    assert output.startswith("Imported standard input as site")
    ended(start("access.log", *SITE))  # nothing was noted, and the ids are the same
    events = queued()
    assert len(events) == 2400
    assert len({event.event_id for event in events}) == 1200


def test_a_signal_stops_it_while_nothing_comes_in(start: Start, tmp_path: Path) -> None:
    process = start("-", *SITE, stderr=subprocess.STDOUT)
    # The key is made once it listens to signals, and just before it reads.
    key = tmp_path / "data" / "imports" / "visitors.key"
    wait_until(key.exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 1
    assert process.stdout is not None
    assert "it cannot be resumed there" in process.stdout.read()


def test_a_terminal_gets_a_bar_and_messages_of_their_own_line(start: Start, log: Path) -> None:
    log.write_bytes(b"garbage\n" + log.read_bytes())
    ours, theirs = pty.openpty()
    process = start("access.log", *SITE, stderr=theirs, TERM="xterm")
    os.close(theirs)
    shown = read_all(ours)
    assert ended(process)[0] == 0
    assert "100%" in shown
    assert "\x1b[Kline 1: is neither" in shown


def read_all(descriptor: int) -> str:
    """What comes until the other end is closed."""
    found = b""
    with open(descriptor, "rb", buffering=0) as terminal:
        try:
            while more := terminal.read(4096):
                found += more
        except OSError:  # what Linux says instead of an end
            pass
    return found.decode()


@pytest.mark.parametrize(
    ("arguments", "changes", "sentence"),
    [
        (("missing.log", *SITE), {}, "footfall: missing.log cannot be opened: No such file"),
        ((".", *SITE), {}, "footfall: . cannot be opened: Is a directory"),
        (("access.log", "--site", ""), {}, "footfall: --site must have 1 to 255 pr"),
        (("access.log", *SITE, "--url", "x"), {}, "footfall: --url must be like http://"),
        (("access.log", *SITE), {"DATA_DIR": "access.log"}, "footfall: DATA_DIR: access.log/impor"),
    ],
)
def test_an_error_is_one_sentence_and_status_2(
    start: Start, log: Path, arguments: tuple[str, ...], changes: dict[str, str], sentence: str
) -> None:
    status, output, errors = ended(start(*arguments, **changes))
    assert (status, output) == (2, "")
    assert errors.startswith(sentence)
    assert errors.count("\n") == 1


def test_a_key_that_is_refused_is_one_sentence_and_status_2(
    start: Start, log: Path, door: IngestionServer
) -> None:
    door.app.door.asks_for_key = True
    door.app.door.sites.callers = Callers("secret", NO_KEYS)
    status, _, errors = ended(start("access.log", *SITE))
    assert (status, errors.count("\n")) == (2, 1)
    assert "answered 401: set INGEST_AUTH to true and API_AUTH to its key" in errors
