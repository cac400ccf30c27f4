"""The main job on real input: 10,000 requests of an access log, imported and asked for again."""

import dataclasses
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings
from tests.servers import ROOT
from tests.stack import Stack

DATA = ROOT.parent / "shared" / "data"
LOG = DATA / "apache_logs"
LINES = 10_000
REQUEST_LINES = 500
TIMEOUT_SECONDS = 120

pytestmark = pytest.mark.skipif(
    not LOG.exists(),
    reason="the access log is not there: it holds real addresses and is not in the repository",
)


class Gate:
    """A proxy before ingestion that keeps the answer to one request to itself."""

    def __init__(self, target_port: int, held_request: int) -> None:
        self.held = threading.Event()
        self.released = threading.Event()
        self.requests = 0
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = forwarded(target_port, self.path, body)
                gate.requests += 1
                if gate.requests == held_request:
                    gate.held.set()
                    gate.released.wait(TIMEOUT_SECONDS)
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def forwarded(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def stack(settings: Settings, database_url: str) -> Iterator[Stack]:
    """It counts whatever the log has: crawlers, and whoever asked for ten pages in a second."""
    configured = dataclasses.replace(settings, database_url=database_url)
    with Stack(dataclasses.replace(configured, bot_burst_limit=0, drop_bots=False)) as stack:
        yield stack


@pytest.fixture
def gate(stack: Stack) -> Iterator[Gate]:
    """It keeps back the answer to the 7th of the 20 requests."""
    gate = Gate(stack.ingestion.port, 7)
    yield gate
    gate.close()


def start_import(stack: Stack, directory: Path, *options: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(directory / "importer"),
        "INGESTION_PORT": str(stack.ingestion.port),
        "REPORTING_PORT": str(stack.reporting.port),
    }
    command = [sys.executable, "-m", "footfall", "import", "access-log", str(LOG), "--site", "log"]
    return subprocess.Popen(
        [*command, *options],
        env=environment,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def import_all(stack: Stack, directory: Path, *options: str) -> tuple[str, str]:
    """What the import printed; it has to end well."""
    with start_import(stack, directory, *options) as process:
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, errors
    return output, errors


def assert_numbers_are_known(stack: Stack) -> None:
    answers = json.loads((DATA / "apache_logs.answers.json").read_text())["answers"]
    whole = stack.stats(site_id="log", **{"from": "2015-05-17", "to": "2015-05-20"})
    assert numbers_of(whole) == known_numbers(answers)
    for day, known in answers["per_day"].items():
        assert numbers_of(stack.stats(site_id="log", date=day)) == known_numbers(known)


def numbers_of(stats: Any) -> tuple[int, int, list[list[Any]]]:
    paths = [[row["path"], row["views"]] for row in stats["top_paths"]]
    return stats["total_views"], stats["unique_users"], paths


def known_numbers(answers: Any) -> tuple[int, int, list[list[Any]]]:
    top = answers["top10_paths_without_query"]
    return answers["total_requests"], answers["unique_clients"], top


def test_an_imported_log_gives_the_known_numbers(stack: Stack, tmp_path: Path) -> None:
    output, errors = import_all(stack, tmp_path)
    assert stack.settle()["stored"] == LINES
    assert_numbers_are_known(stack)
    assert errors.startswith("line 8899: ")
    assert f"{stack.reporting.url}/stats?site_id=log&date=2015-05-17" in output
    assert "is imported already, to line 10,000" in import_all(stack, tmp_path)[0]
    import_all(stack, tmp_path, "--again")
    assert stack.settle()["duplicates"] == LINES
    assert_numbers_are_known(stack)


def test_an_import_that_is_killed_and_resumed_gives_them_too(
    stack: Stack, gate: Gate, tmp_path: Path
) -> None:
    with start_import(stack, tmp_path, "--url", gate.url) as process:
        assert gate.held.wait(TIMEOUT_SECONDS)  # ingestion has the events, the importer no answer
        process.kill()
    gate.released.set()
    _, errors = import_all(stack, tmp_path, "--url", gate.url)
    assert "going on behind line 3,000" in errors
    status = stack.settle()
    assert (status["stored"], status["duplicates"]) == (LINES, REQUEST_LINES)
    assert_numbers_are_known(stack)
