"""Cuts a log into chunks: so many consecutive lines as make one request to ingestion."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from footfall.importing.access_log import BadLine, LoggedRequest, event_from, request_from
from footfall.importing.log_file import MAX_LINE_BYTES, Line, LogFile, Position

# A request has half the bytes that ingestion takes at most: the last event of a chunk may be a line
# of MAX_LINE_BYTES with each byte escaped as six, and must still fit.
CHUNK_EVENTS = 500
CHUNK_BYTES = 512 * 1024
# Of a log without events, too, is noted how far it was read.
CHUNK_LINES = 10_000

EventOf = Callable[[LoggedRequest, str], bytes]


@dataclasses.dataclass
class Chunk:
    """Consecutive lines of a log: their events, encoded, and what is wrong with the others."""

    events: list[bytes] = dataclasses.field(default_factory=list)
    # The line of each event.
    numbers: list[int] = dataclasses.field(default_factory=list)
    # In UTC, of each event.
    times: list[datetime] = dataclasses.field(default_factory=list)
    repaired: list[int] = dataclasses.field(default_factory=list)
    bad: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    size_bytes: int = 0
    # Behind the last line.
    position: Position = dataclasses.field(default_factory=Position)

    def add(self, line: Line, event_of: EventOf) -> None:
        try:
            request = request_from(text_of(line))
        except BadLine as error:
            self.bad.append((line.number, str(error)))
            return
        self.events.append(event_of(request, line.id))
        self.numbers.append(line.number)
        self.times.append(request.time)
        self.size_bytes += len(self.events[-1]) + 1
        if request.is_repaired:
            self.repaired.append(line.number)

    def is_full(self) -> bool:
        return (
            len(self.events) == CHUNK_EVENTS
            or self.size_bytes >= CHUNK_BYTES
            or len(self.bad) == CHUNK_LINES
        )


def text_of(line: Line) -> str:
    if line.is_cut:
        raise BadLine(f"has {MAX_LINE_BYTES:,} bytes or more")
    return line.text.decode("utf-8", "replace")


def chunks_of(log: LogFile, event_of: EventOf) -> Iterator[Chunk]:
    """All lines from the log's position on."""
    chunk = Chunk()
    for line in log:
        chunk.add(line, event_of)
        if chunk.is_full():
            chunk.position = log.position()
            yield chunk
            chunk = Chunk()
    if chunk.events or chunk.bad:
        chunk.position = log.position()
        yield chunk


def encoder(site: str, event_type: str, user_of: Callable[[str], str | None]) -> EventOf:
    """The function from a request and its line's id to the event that is posted."""

    def event_of(request: LoggedRequest, line_id: str) -> bytes:
        event = event_from(
            request,
            site_id=site,
            event_type=event_type,
            user_id=user_of(request.client),
            event_id=line_id,
        )
        return msgspec.json.encode(event)

    return event_of
