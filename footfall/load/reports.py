"""What reporting says of a run: the ledger, and how many events of its site are stored."""

import http.client
import json
import threading
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from footfall.load.errors import CannotLoad
from footfall.load.target import Target

TIMEOUT_SECONDS = 10.0


class NoAnswer(Exception):
    """Reporting is away, or cannot say now."""


class Reports:
    """A client of reporting; it opens a connection for each question."""

    def __init__(self, target: Target, key: str) -> None:
        self.target = target
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def status(self) -> dict[str, Any]:
        """The answer of /pipeline/status. Raises NoAnswer."""
        return self.fetch("/pipeline/status")

    def stored(self, site_id: str, first_at: int, last_at: int) -> int:
        """Events of this site that are stored, of the days of these times. Raises NoAnswer."""
        days = {"from": day_of(first_at), "to": day_of(last_at)}
        return int(self.fetch("/stats", site_id=site_id, **days)["total_events"])

    def fetch(self, path: str, **parameters: str) -> dict[str, Any]:
        query = f"?{urlencode(parameters)}" if parameters else ""
        connection = http.client.HTTPConnection(*self.target.address, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", f"{self.target.path}{path}{query}", headers=self.headers)
            response = connection.getresponse()
            body = response.read()
            if response.status == 401:
                raise CannotLoad("reporting answered 401: set API_AUTH to its key")
            if response.status != 200:
                raise NoAnswer(f"answered {response.status}")
            return dict(json.loads(body))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(str(error)) from error
        finally:
            connection.close()


def day_of(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


class BacklogWatch(threading.Thread):
    """Asks for the backlog once a second, beside the loop that must not wait for an answer."""

    def __init__(self, reports: Reports) -> None:
        super().__init__(name="backlog", daemon=True)
        self.reports = reports
        self.backlog: int | None = None
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(1):
            try:
                status = self.reports.status()
                self.backlog = int(status["queued"]) + int(status["processing"])
            except (NoAnswer, CannotLoad):
                self.backlog = None

    def __enter__(self) -> "BacklogWatch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.join(TIMEOUT_SECONDS)
