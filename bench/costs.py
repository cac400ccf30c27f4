"""`python -m bench.costs`: what the door's dearest requests cost, in CPU time, dearest first.

The door is asked without a server or Redis: a client's bytes in, encoded events out. Each is read
twice, and the least counts. Arguments keep those whose names hold one of them.
"""

import gc
import sys
import time
from collections.abc import Iterator
from typing import cast

from bench.report import note
from ingestion.door import Door
from shared.clock import now_ms
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.urls import parsed_host
from tests.ingestion.away import Away
from tests.ingestion.costly import Costly, costly_requests

READINGS = 2
SHOWN = 40
EVENT_MS = 20
REQUEST_MS = 100


class Nowhere:
    """In the place of a queue: takes all, keeps nothing."""

    prefix = "footfall"
    redis = Away()

    def push(self, _: list[bytes]) -> None:
        return

    def share_salt(self, *_: object) -> bytes:
        return b"salt"


def cpu_ms(door: Door, costly: Costly) -> tuple[float, int]:
    """The CPU time of one reading, in ms, and the status."""
    parsed_host.cache_clear()
    request = costly.request()
    started = time.process_time()
    answer = door.receive(costly.protocol, request)
    return (time.process_time() - started) * 1000, answer.status


def measured(wanted: list[str]) -> Iterator[tuple[float, str]]:
    """The ms of each request, and what to print of it."""
    gc.freeze()
    door = Door(Settings(), cast("EventQueue", Nowhere()), now_ms)
    door.sites.looked_at = 0.0
    for costly in costly_requests():
        if not wanted or any(part in costly.name for part in wanted):
            readings = [cpu_ms(door, costly) for _ in range(READINGS)]
            ms, status = min(ms for ms, _ in readings), readings[0][1]
            over = "  OVER" if ms > min(REQUEST_MS, EVENT_MS * costly.events) else ""
            size = len(costly.body) + len(costly.query)
            yield ms, f"{costly.events:>8}{status:>8}{size:>10}  {costly.name}{over}"


def main() -> None:
    found = sorted(measured(sys.argv[1:]), reverse=True)
    print(f"{'ms':>8}{'events':>8}{'status':>8}{'bytes':>10}  request")
    for ms, rest in found[:SHOWN]:
        print(f"{ms:>8.1f}{rest}")
    note(f"{len(found)} requests")


if __name__ == "__main__":
    main()
