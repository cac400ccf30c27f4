"""What the rollups of some sites and days should hold: their events, each read once by plain SQL,
and counted. Nothing of it is shared with the code that writes rollups, save the names of what is
counted."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from pyroaring import BitMap
from sqlalchemy import Connection, and_, select

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.counts.rollups import (
    ROLLED_UP,
    TOTAL,
    TOTAL_KEY,
    VALUE_COLUMNS,
    Rollup,
    value_key,
)
from shared.db.tables import events, users
from shared.fields import EVENT_TYPE
from worker.stored.key_order import Rows, pages
from worker.stored.site_rows import MAX_NUMBER
from worker.verify.portion import LABEL, Portion

KEY = (events.c.site_id, events.c.timestamp, events.c.event_id)
ITS_USER = and_(users.c.site_id == events.c.site_id, users.c.user_id == events.c.user_id)


class Cell(NamedTuple):
    """What a row of a rollup is about. Users are of all types of events: theirs is empty. Where
    there are many, each is a plain tuple of the same."""

    site_id: str
    bucket: int
    dimension: str
    value_key: bytes
    event_type: str


Key = tuple[str, int, str, bytes, str]
Counts = dict[Key, int]
Members = dict[Key, BitMap]


@dataclass
class Recount:
    """Events, counted by the minute and the hour."""

    events: int = 0
    # site_id, minute, event type
    minutes: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    # By dimension: site_id, hour, value, event type
    hours: dict[str, Counter[tuple[str, int, str | None, str]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    # By dimension: site_id, hour, value -> the numbers of users
    users: dict[str, dict[tuple[str, int, str], BitMap]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    # Site_id, day and user_id of who should have a number, and has none that can be.
    unnumbered: set[tuple[str, int, str]] = field(default_factory=set)

    def add(
        self,
        site_ids: Sequence[str],
        moments: Sequence[int],
        numbers: Sequence[int | None],
        event_types: Sequence[str],
        values: Mapping[str, Sequence[str | None]],
    ) -> None:
        """Count events: of each its site, its moment, its user's number, its type, and the values
        of the dimensions that are rolled up."""
        self.events += len(moments)
        minutes = [moment - moment % MINUTE_MS for moment in moments]
        hours = [moment - moment % HOUR_MS for moment in moments]
        everything = [""] * len(moments)
        self.minutes.update(zip(site_ids, minutes, event_types, strict=True))
        for dimension, of_events in {TOTAL: everything, **values}.items():
            cells = zip(site_ids, hours, of_events, event_types, strict=True)
            self.hours[dimension].update(cells)
        for dimension, of_events in {TOTAL: everything, EVENT_TYPE: event_types, **values}.items():
            found: dict[tuple[str, int, str], list[int]] = defaultdict(list)
            for site_id, hour, value, number in zip(
                site_ids, hours, of_events, numbers, strict=True
            ):
                if number is not None and value is not None:
                    found[site_id, hour, value].append(number)
            known = self.users[dimension]
            for cell, members in found.items():
                known[cell] = BitMap(members) | known.get(cell, BitMap())

    def counts_of(self, rollup: Rollup) -> Counts:
        """What the rollup should count, by its rows."""
        if not rollup.has_dimensions:
            return {
                (site_id, minute, TOTAL, TOTAL_KEY, event_type): number
                for (site_id, minute, event_type), number in self.minutes.items()
            }
        counts: Counts = defaultdict(int)
        for dimension, hours in self.hours.items():
            for (site_id, hour, value, event_type), number in hours.items():
                if value is not None:
                    bucket = hour - hour % rollup.bucket_ms
                    counts[site_id, bucket, dimension, value_key(value), event_type] += number
        return counts

    def users_by(self, bucket_ms: int) -> Members:
        """Whose numbers should be in the rows of users by such buckets."""
        sets: Members = {}
        for dimension, hours in self.users.items():
            for (site_id, hour, value), members in hours.items():
                cell = (site_id, hour - hour % bucket_ms, dimension, value_key(value), "")
                sets[cell] = members | sets[cell] if cell in sets else members
        return sets

    def days(self) -> set[tuple[str, int]]:
        return {(site_id, hour - hour % DAY_MS) for site_id, hour, *_ in self.hours[TOTAL]}

    def texts(self) -> dict[bytes, str]:
        """What the keys of values stand for."""
        values = {value for hours in self.hours.values() for _, _, value, _ in hours}
        return {value_key(value): value for value in values if value is not None}


def pages_of_events(connection: Connection, portion: Portion) -> Iterator[Rows]:
    """The events of a portion, in the order of their key: that, user_id, its number, and the value
    of each of VALUE_COLUMNS."""
    statement = (
        select(*KEY, events.c.user_id, users.c.number, *VALUE_COLUMNS.values())
        .join_from(events, users, ITS_USER, isouter=True)
        .prefix_with(LABEL)
        .where(portion.moments(events.c.timestamp, portion.start, portion.end))
    )
    read = partial(pages, connection, statement)
    return read(KEY) if len(portion.sites) > 1 else read(KEY[1:], start=portion.start)


def add_page(recount: Recount, page: Rows) -> None:
    """Count a page of events."""
    site_ids, moments, _, user_ids, numbers, *columns = zip(*page, strict=True)
    values: dict[str, Any] = dict(zip(VALUE_COLUMNS, columns, strict=True))
    known = [number if can_be(number) else None for number in numbers]
    for site_id, moment, user_id, number in zip(site_ids, moments, user_ids, known, strict=True):
        if number is None and user_id is not None:
            recount.unnumbered.add((site_id, moment - moment % DAY_MS, user_id))
    recount.add(
        site_ids, moments, known, values[EVENT_TYPE], {name: values[name] for name in ROLLED_UP}
    )


def can_be(number: int | None) -> bool:
    """Whether a bitmap can hold it."""
    return number is not None and 0 <= number <= MAX_NUMBER
