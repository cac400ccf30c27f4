"""Promises of time, held in a form that a busy machine keeps as well."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# What is promised within a second waits for time-outs of 0.8 s together, which are the same on any
# machine; the rest, some milliseconds of computing, may here take a hundred times as long. Without
# these time-outs it would be 10 s, as for other clients of Redis, or for ever.
BUSY_SECOND = 8.0


@contextmanager
def within_a_second() -> Iterator[None]:
    """The block takes no longer than a promised second may on a machine that is busy."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < BUSY_SECOND
