"""`make audit` fails on what is known, and never takes silence for an answer."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import free_port

ROOT = Path(__file__).parent.parent
PINNED = "click==8.0 --hash=sha256:" + "0" * 64 + "\n"
KNOWN = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "A hole",
    "published": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "click", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "8.1"}]}],
        }
    ],
}


class Service(http.server.ThreadingHTTPServer):
    """What it answers to each question, and the questions."""

    answer: tuple[int, bytes] = (200, b"{}")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/query"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        yield service
        service.shutdown()
        thread.join()


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """The command: its exit status, and what it says."""

    def run(url: str, *options: str, pinned: str = PINNED) -> tuple[int, str]:
        lock = tmp_path / "pinned.lock"
        lock.write_text(pinned, encoding="utf-8")
        command = [sys.executable, "-m", "scripts.audit", "--lock", str(lock), "--url", url]
        ended = subprocess.run(
            [*command, *options],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={"HOME": str(tmp_path), "PATH": "", "NO_PROXY": "*"},
        )
        assert not ended.stderr
        return ended.returncode, ended.stdout

    return run


Audit = Callable[..., tuple[int, str]]


def test_where_nothing_is_known_it_says_that_it_has_asked(audit: Audit, service: Service) -> None:
    status, told = audit(service.url)
    assert (status, told) == (0, "audit: asked, of 1 packages no vulnerability is known\n")
    package = {"name": "click", "ecosystem": "PyPI"}
    assert service.asked == [{"package": package, "version": "8.0"}]


@pytest.mark.parametrize("options", [(), ("--if-online",)])
def test_what_is_known_fails_the_check(
    audit: Audit, service: Service, options: tuple[str, ...]
) -> None:
    service.answer = 200, json.dumps({"vulns": [KNOWN]}).encode()
    status, told = audit(service.url, *options)
    assert status == 1
    assert told.startswith("audit: click 8.0: PYSEC-2026-1, CVE-2026-1, mended in 8.1: A hole")


@pytest.mark.parametrize(
    "answer", [(500, b""), (403, b"no"), (200, b"<html>log in first</html>"), None]
)
def test_silence_is_no_answer(
    audit: Audit, service: Service, answer: tuple[int, bytes] | None
) -> None:
    url = service.url if answer else f"http://127.0.0.1:{free_port()}/v1/query"
    service.answer = answer or service.answer
    for options, expected in [((), 2), (("--if-online",), 0)]:
        status, told = audit(url, *options)
        assert status == expected, told
        assert told.startswith("audit: could not ask, so nothing is known of pinned.lock: ")
        assert len(told.splitlines()) == 1


@pytest.mark.parametrize("pinned", ["click>=8\n", "click==8.0\n", "cl ick\n", ""])
def test_what_cannot_be_read_fails_the_check(audit: Audit, service: Service, pinned: str) -> None:
    status, told = audit(service.url, "--if-online", pinned=pinned)
    assert status == 1
    assert told.startswith("audit: pip-audit failed:\n")


@pytest.mark.parametrize("strange", [{"schema_version": "2.0.0"}, {"affected": None}])
def test_an_answer_that_is_not_understood_fails_the_check(
    audit: Audit, service: Service, strange: dict[str, Any]
) -> None:
    service.answer = 200, json.dumps({"vulns": [KNOWN | strange]}).encode()
    assert audit(service.url, "--if-online")[0] == 1


def test_what_is_audited_has_all_that_runs() -> None:
    runs, audited = (
        {line.split()[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runs < audited
