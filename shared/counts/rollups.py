"""The rollups, as data: what is counted, in which buckets, by which dimensions.

A bucket is a whole UTC minute, hour, day or week from Monday, and is named by its first
millisecond. What a batch stores waits in `pending_counts` (shared/counts/pending.py) from the same
transaction on, and leaves it in the one in which the rollups count it. So events, and the rollups
with what waits, always tell the same.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Column, Table

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS
from shared.db.tables import (
    VALUE_KEY_BYTES,
    events,
    events_by_day,
    events_by_hour,
    events_by_minute,
    events_by_week,
    users_by_day,
    users_by_hour,
    users_by_week,
)
from shared.fields import COUNTED, DIMENSIONS, EVENT_TYPE

# 1970 began on a Thursday. Whole days from there, so that shorter buckets begin as they should.
FIRST_MONDAY = 4 * DAY_MS

# The same values come again and again, and one that is known takes a sixth of the time. Anybody may
# send new ones, of 2 kB: what is longer than most costs some 2 µs each time, and what is kept takes
# 17 MB at most, or 40 MB in scripts of four bytes a character.
CACHED_VALUES = 65_536
MAX_CACHED = 100

# The dimension of all events, whose one value is the empty text.
TOTAL = ""

# By what events can be broken down and filtered, by the API's name: the column of `events` that
# holds the value.
VALUE_COLUMNS: dict[str, Column[str]] = {
    name: events.c[field.name] for name, field in DIMENSIONS.items()
}
# Those whose values the rollups count. The type is told apart in each of their rows anyway.
ROLLED_UP: dict[str, Column[str]] = {
    name: column for name, column in VALUE_COLUMNS.items() if name in COUNTED and name != EVENT_TYPE
}


@dataclass(frozen=True)
class Rollup:
    """Events by site, bucket and type, and, where it has dimensions, by the value of each."""

    table: Table
    bucket_ms: int
    has_dimensions: bool


@dataclass(frozen=True)
class Level:
    """Events and users of each dimension's value, in buckets of one size."""

    events: Table
    users: Table
    bucket_ms: int


HOURS = Level(events_by_hour, users_by_hour, HOUR_MS)
DAYS = Level(events_by_day, users_by_day, DAY_MS)
# A year by the week is a seventh of the rows that it is by the day.
WEEKS = Level(events_by_week, users_by_week, WEEK_MS)
# From the finest to the coarsest: each holds what the one before does, in fewer rows.
LEVELS = (HOURS, DAYS, WEEKS)

# What is counted of the events of one day; weeks are made of days.
EVENT_ROLLUPS = (
    Rollup(events_by_minute, MINUTE_MS, has_dimensions=False),
    Rollup(events_by_hour, HOUR_MS, has_dimensions=True),
    Rollup(events_by_day, DAY_MS, has_dimensions=True),
)
WEEK_ROLLUP = Rollup(events_by_week, WEEK_MS, has_dimensions=True)
# Users of each dimension's value, of each event type (EVENT_TYPE) and of all events (TOTAL).
USER_ROLLUPS = ((users_by_hour, HOUR_MS), (users_by_day, DAY_MS))


def bucket_start(moment: int, bucket_ms: int) -> int:
    """When the bucket of a moment begins; both in ms."""
    return moment - (moment - FIRST_MONDAY) % bucket_ms


def value_key(value: str) -> bytes:
    """The key of a dimension's value: BLAKE2b of 16 bytes, for which no two texts are known to be
    the same nor, at 2^64 tries, expected to be found."""
    return cached_key(value) if len(value) <= MAX_CACHED else key_of(value)


def key_of(value: str) -> bytes:
    return hashlib.blake2b(value.encode(), digest_size=VALUE_KEY_BYTES).digest()


cached_key = lru_cache(maxsize=CACHED_VALUES)(key_of)

TOTAL_KEY = value_key("")
