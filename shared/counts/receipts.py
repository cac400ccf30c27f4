"""Receipts: what became of the events of a site that arrived on a UTC day.

A batch writes a row of its own, so that workers never wait for one another; the periodic process
adds these up. An answer adds what is not added up yet.
"""

from typing import NamedTuple

import msgspec

# Of events of which neither site nor day can be told.
NO_SITE = ""
# Why an event is dead that is none; one that the database refuses has no reason here.
UNREADABLE = "unreadable"


class Line(NamedTuple):
    """So many events; `day` is when the UTC day begins on which they arrived, in ms."""

    site_id: str
    day: int
    outcome: str
    reason: str
    events: int


pack_lines = msgspec.msgpack.Encoder().encode
unpack_lines = msgspec.msgpack.Decoder(list[Line]).decode
