"""What the comparison of counts and events came to that runs once a night."""

from typing import Annotated

import redis
from msgspec import Struct

from reporting.answers.members import about, count
from shared.clock import iso_from_ms
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue
from shared.queue.verification import Verification


class Verified(Struct):
    """The last one."""

    since: Annotated[str, about("The first UTC day that was compared, as its first moment.")]
    until: Annotated[str, about("When it began: what was stored by then was compared.")]
    ended_at: Annotated[str, about("When it ended.")]
    differences: Annotated[
        int, count("Differences between the two, each a bug; `footfall verify` prints them.")
    ]


def verified_from(found: Verification | None) -> Verified | None:
    if found is None:
        return None
    since, until, ended_at = map(iso_from_ms, (found.since, found.until, found.ended_at))
    return Verified(since, until, ended_at, found.differences)


def fetch_verification(queue: EventQueue) -> Verification | None:
    """None where none has ended yet. Raises Unavailable."""
    try:
        return queue.fetch_verification()
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {error}") from error
