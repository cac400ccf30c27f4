"""What a protocol is: a way in which clients hand over events, declared in one place.

The door speaks whatever is declared in ingestion/protocols/known.py; whether a key is asked, what
is counted in /metrics and which pages may read the answer is the same for all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ingestion.cors import Headers
from ingestion.reading.aliases import Aliases
from ingestion.reading.body import Payload
from ingestion.reading.request import Request
from shared.errors import InvalidInput, Unavailable
from shared.http.openapi import Json
from shared.queue.limits import Limit

Refusal = InvalidInput | Unavailable


class LeftOut(NamedTuple):
    """An event of which nothing is kept, and why."""

    site_id: str
    reason: str


class Stranger(NamedTuple):
    """A site that nobody has registered, the index of an event of it in the request, and its place
    among those that are to be pushed."""

    site_id: str
    number: int
    place: int


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a request's events became: encoded ones to push, and errors by their index.

    One that did not come as a batch is accepted: a fault of it is the whole request's. Those that
    are `dropped` are valid, and not to be pushed. Of `strangers` it is not known yet whether they
    may have events. `site_ids` are whose each of the encoded ones is; `limits` are those of
    whoever sent them.
    """

    encoded: list[bytes]
    rejected: list[tuple[int, InvalidInput]]
    is_batch: bool
    dropped: Sequence[LeftOut] = ()
    strangers: Sequence[Stranger] = ()
    site_ids: Sequence[str] = ()
    limits: Sequence[Limit] = ()

    @property
    def status(self) -> int:
        """The HTTP status that says so, for /metrics also where the answer has another one."""
        return 202 if self.encoded or self.dropped else 400


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An HTTP answer, before any server or framework."""

    status: int
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True)
class Protocol:
    """One way in. Its functions are pure; of answers, the door adds length and CORS headers."""

    name: str
    method: str
    # Further ones are other names for the first.
    paths: tuple[str, ...]
    # Raises InvalidInput.
    read: Callable[[Request], Payload]
    answer: Callable[[Outcome], Answer]
    refuse: Callable[[Refusal], Answer]
    openapi: Json
    aliases: Aliases = field(default_factory=Aliases)
    # What a browser is told that asks before it posts; empty where none will.
    preflight: Headers = field(default_factory=list)
    # What is answered to HEAD, and counts nothing: nobody has seen the page. For protocols by GET.
    head: Answer | None = None
