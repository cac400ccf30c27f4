"""A service over HTTP while one version of it takes the place of another, as behind a load
balancer: the new one answers before the old one is told to stop."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from bench.against.programs import Program

PATIENCE_SECONDS = 60
TIMEOUT_SECONDS = 30


class Front:
    """Where clients ask. What they must not see is in `faults`."""

    def __init__(self, old: Program, new: Program) -> None:
        self.old, self.new = old, new
        self.current = old
        self.faults: list[str] = []
        # Requests whose answer never came: they may have been taken.
        self.unanswered = 0

    def replace(self) -> None:
        self.new.start()
        self.current = self.new
        self.old.stop()

    def get(self, path: str) -> Any:
        return self.request("GET", path, None)[1]

    def request(self, method: str, path: str, body: object) -> tuple[int, Any]:
        """Status and JSON. Who is told to come again does so, and who loses its connection."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                status, headers, answer = self.send(method, path, body)
            except (OSError, http.client.HTTPException):
                self.unanswered += 1
                time.sleep(0.05)
                continue
            if status < 500:
                return status, json.loads(answer)
            if status != 503 or "Retry-After" not in headers:
                self.faults.append(f"{method} {path}: {status} {headers} {answer[:200]!r}")
            time.sleep(0.2)
        raise RuntimeError(f"{method} {path} is not answered for {PATIENCE_SECONDS} s")

    def send(
        self, method: str, path: str, body: object
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        address = urlsplit(self.current.url)
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=TIMEOUT_SECONDS
        )
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()
