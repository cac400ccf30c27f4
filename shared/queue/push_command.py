"""The push as it goes over the wire: one call of a Lua script with the events of many requests.

Each request has a place: a number in its client's stream. A stream's requests are sent in the order
of their numbers, and what is sent again goes with its old place, so that the script knows it. That
makes a push that was not answered harmless: whoever sends it again, however much later and over
whichever connection, adds nothing that is there already. A stream ends where an answer does not
come; what comes after that has places in a new one.
"""

import hashlib
import secrets
import time
from collections.abc import Sequence
from enum import IntEnum
from itertools import repeat
from typing import Any, NamedTuple

import hiredis
import redis

from shared.errors import Unavailable
from shared.queue import scripts
from shared.queue.limits import Charges

DIGEST = hashlib.sha1(scripts.PUSH.encode(), usedforsecurity=False).hexdigest().encode()
# How long the answer to a push is waited for. What a server does later, it refuses by itself.
PUSH_SECONDS = 0.5
NO_DEADLINE = 0

# What a call begins with, as words of the Redis protocol.
Head = tuple[bytes, ...]


class Pushed(IntEnum):
    """What became of a request's events, as the script says it."""

    TAKEN = 1
    TOO_MANY_WAIT = 2
    TOO_LARGE_BACKLOG = 3
    LATE = 4
    # Not by itself: with which charge is meant, and for how long.
    OVER_LIMIT = 5


class Place(NamedTuple):
    """Where a request stands: its number, from 1, in a stream."""

    stream: str
    number: int


class NotTaken(Unavailable):
    """A push failed, or its answer did not come. With the same place it may be sent again; without
    one, nothing of it is in Redis, and any other will do."""

    def __init__(self, place: Place | None, message: str) -> None:
        super().__init__("queue_unavailable", f"the queue takes no events: {message}")
        self.place = place


class Taken(NamedTuple):
    """The script's answer: its server's clock in ms, how many events wait, and what became of each
    request's."""

    now: int
    waiting: int
    is_job_wanted: bool
    outcomes: list[Any]


def new_stream() -> str:
    return secrets.token_hex(12)


class PushCommand:
    """Packs pushes for one buffer."""

    def __init__(
        self,
        keys: Sequence[str],
        stream_prefix: str,
        limit_prefix: str,
        batch_size: int,
        bounds: Sequence[int],
    ) -> None:
        self.keys = [key.encode() for key in keys]
        self.stream_prefix = stream_prefix
        numbers = [b"%d" % number for number in (batch_size, *bounds)]
        self.args = [*numbers, limit_prefix.encode()]

    def head(self, stream: str, call: bytes = b"EVALSHA", script: bytes = DIGEST) -> Head:
        """What all pushes of a stream begin with."""
        own = f"{self.stream_prefix}{stream}".encode()
        keys = [*self.keys, own, own + b":refused"]
        return (call, script, b"%d" % len(keys), *keys, *self.args)

    def whole_head(self, stream: str) -> Head:
        """The same with the script itself, for a server that does not know it."""
        return self.head(stream, b"EVAL", scripts.PUSH.encode())

    def pack(
        self,
        head: Head,
        requests: Sequence[Sequence[bytes]],
        first: int,
        confirmed: int,
        deadline: int,
        charges: Sequence[Charges] = (),
    ) -> bytes:
        """One call for requests of consecutive numbers, and what each is charged, if any is. The
        answers of those up to `confirmed` are known; after `deadline`, in ms of the server's clock,
        it does nothing."""
        arguments: list[bytes | int | str] = [*head, deadline, first, confirmed, len(requests)]
        for events, charged in zip(requests, charges or repeat(()), strict=bool(charges)):
            arguments += (len(events), sum(map(len, events)), len(charged))
        for charged in charges:
            for charge in charged:
                arguments += (charge.limit.key, charge.events, charge.limit.most)
        for events in requests:
            arguments += events
        return packed(arguments)


class ServerClock:
    """The server's clock as its answers tell it, in ms; rather too early than too late."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def learn(self, now: int) -> None:
        """Of an answer that came just now."""
        self.ahead = now - time.monotonic() * 1000

    def deadline(self) -> int:
        """When the server shall give up what is sent now."""
        return int(self.ahead + (time.monotonic() + PUSH_SECONDS) * 1000)


def taken_from(answer: Any) -> Taken:
    """Raises redis.InvalidResponse for what the script never answers."""
    try:
        now, waiting, is_job_wanted, *outcomes = answer
    except (TypeError, ValueError):
        raise redis.exceptions.InvalidResponse(f"{answer!r:.80} answers no push") from None
    return Taken(now, waiting, bool(is_job_wanted), outcomes)


def reply_error(message: str) -> Exception:
    """An error reply as an exception: a forgotten script is sent whole, the rest becomes 503."""
    if message.startswith("NOSCRIPT"):
        return redis.exceptions.NoScriptError(message)
    return redis.ResponseError(message)


def command_of(*words: str) -> bytes:
    """One command of the Redis protocol."""
    return packed(words)


def packed(words: Sequence[str | bytes | int]) -> bytes:
    # Its types know tuples of a single word.
    command: bytes = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]
    return command
