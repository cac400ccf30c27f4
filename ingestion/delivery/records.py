"""How requests' events stand in a spool's file: a record after the other, each with its length and
checksum, so that what a power cut has torn is seen."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from shared.queue.push_command import Place

# Length of what follows, its CRC-32, and how many events it holds.
HEAD = struct.Struct("<III")

# With the place, whose stream has 32 letters, and MessagePack's own: 5 bytes before each event.
MOST_HEAD_BYTES = HEAD.size + 1 + 34 + 9 + 5
MOST_EVENT_HEAD_BYTES = 5

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(tuple[str, int, list[bytes]]).decode


class Record(NamedTuple):
    """Events under the place that they were, or shall be, pushed with."""

    place: Place
    events: list[bytes]


def packed(record: Record) -> bytes:
    body = encode((*record.place, record.events))
    return HEAD.pack(len(body), zlib.crc32(body), len(record.events)) + body


def most_packed_bytes(events: Sequence[bytes]) -> int:
    """How large a record of these events is, at the most."""
    return MOST_HEAD_BYTES + sum(MOST_EVENT_HEAD_BYTES + len(event) for event in events)


def records_from(data: bytes, at: int = 0) -> Iterator[tuple[int, Record | None]]:
    """Each record from a place on and where it ends, None for one that is damaged; nothing from
    where one is torn off, or where zeros stand that a file system had not filled yet."""
    while at + HEAD.size <= len(data):
        length, checksum, _ = HEAD.unpack_from(data, at)
        body = data[at + HEAD.size : at + HEAD.size + length]
        if not length or len(body) < length:
            return
        at += HEAD.size + length
        if zlib.crc32(body) != checksum:
            yield at, None
            continue
        stream, number, events = decode(body)
        yield at, Record(Place(stream, number), events)
