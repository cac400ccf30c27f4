"""Planned requests as the bytes that go out."""

from typing import Any

import msgspec

from footfall.load.target import Target
from footfall.load.traffic.plan import Plan, Slot
from footfall.load.traffic.traffic import Traffic
from shared.settings import Settings

# What a page may show of the stream.
REMEMBERED_EVENTS = 30

encode = msgspec.json.Encoder().encode


class Requests:
    """Makes the content of each slot of a plan that begins at `started_at`, in ms.

    Events carry the time they were planned for: sent late, they still happened then. A country goes
    along where there is a header for it to go in, and the request has a single event.
    """

    def __init__(self, head: bytes, traffic: Traffic, plan: Plan, started_at: int) -> None:
        self.head = head
        self.traffic = traffic
        self.plan = plan
        self.started_at = started_at
        self.country_header = b""
        self.last: list[dict[str, Any]] = []

    def content(self, slot: Slot) -> bytes:
        events, country = [], ""
        for number in range(slot.first, slot.first + slot.events):
            at = self.started_at + int(self.plan.time_of(number) * 1000)
            event, country = self.traffic.next_event(at)
            events.append(event)
        # A new list each time: the page's thread may be reading the old one.
        self.last = [*self.last, *events][-REMEMBERED_EVENTS:]
        body = encode(events if self.plan.batch > 1 else events[0])
        head = b"%b\r\nContent-Length: %d" % (self.head, len(body))
        if self.country_header and country and self.plan.batch == 1:
            head += b"\r\n%b: %b" % (self.country_header, country.encode())
        return b"%b\r\n\r\n%b" % (head, body)


def head_for(target: Target, settings: Settings, *, is_batch: bool) -> bytes:
    """The lines that all requests have in common."""
    lines = [
        f"POST {target.path}{'/events' if is_batch else '/event'} HTTP/1.1",
        f"Host: {target.authority}",
        "Content-Type: application/json",
    ]
    if settings.ingest_auth:
        lines.append(f"Authorization: Bearer {settings.api_auth}")
    return "\r\n".join(lines).encode()
