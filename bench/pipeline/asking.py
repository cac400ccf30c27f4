"""What `/stats` of one country takes while events come in: asked once a second, beside it all."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Self

from bench.against.programs import Program
from shared.clock import DAY_MS
from tests.stack import Client

PAUSE_SECONDS = 1.0
DAYS = 49
COUNTRY = "DE"


class Asker:
    """A context: within it, a thread asks `reporting` about the DAYS days up to the day in which
    `newest`, in ms, lies. It asks at least once."""

    def __init__(self, reporting: Program, site_id: str, newest: Callable[[], int]) -> None:
        self.client = Client(reporting.url)
        self.site_id = site_id
        self.newest = newest
        self.times_ms: list[float] = []
        self.failure = ""
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        while not self.failure:
            self.ask()
            if self.stopping.wait(PAUSE_SECONDS):
                break

    def ask(self) -> None:
        last = day_of(self.newest())
        asked = {"from": last - timedelta(days=DAYS - 1), "to": last, "country": COUNTRY}
        started = time.perf_counter()
        try:
            status, answer = self.client.get("/stats", site_id=self.site_id, **asked)
        except OSError as error:
            status, answer = 0, error
        self.times_ms.append(1000 * (time.perf_counter() - started))
        if status != 200:
            self.failure = f"/stats: {status} {answer}"

    def require(self) -> None:
        """RuntimeError where an answer was none; nothing is asked after that."""
        if self.failure:
            raise RuntimeError(self.failure)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()
        self.client.connection.close()


def day_of(moment: int) -> date:
    return datetime.fromtimestamp(moment // DAY_MS * DAY_MS / 1000, UTC).date()


def p95(times: list[float]) -> float:
    """The time that at most a twentieth of them exceed."""
    return sorted(times)[max(0, -(-95 * len(times) // 100) - 1)]
