"""Portions: what is compared within one snapshot, so that each takes seconds and little memory.

One is of many small sites and all of the time that is looked at, or of some days of one large site.
Together they cover all of it, so that also what has no event behind it is found. They are cut by
the events alone, each when those before it are done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, and_, func, select

from shared.clock import DAY_MS, WEEK_MS
from shared.db.database import translated_errors
from shared.db.tables import events
from worker.stored.extent import BY_DIMENSION, BY_VALUE, EVER, Part, rows_between, week_of

# Of a day with more events, all are in one portion.
MOST_EVENTS = 20_000
# Named in one statement. From a thousand on, MariaDB no longer seeks each.
MOST_SITES = 200
LABEL = "/* worker.verify */"


@dataclass(frozen=True)
class Portion:
    """Whole days of some sites, in order of their names, from `start` up to `end`, in ms."""

    sites: tuple[str, ...]
    start: int
    end: int
    # Whether no later portion is of these sites.
    is_last: bool = True
    # Whether each has no more than MOST_EVENTS, ever: to pass over the rows of other days is then
    # faster than to seek.
    has_small_sites: bool = False

    @property
    def weeks(self) -> tuple[int, int]:
        """From which Monday up to which one weeks are compared with it: those that a later portion
        has days of are left to that."""
        end = self.end - 1 if self.is_last else self.end
        return week_of(self.start), min(week_of(end) + WEEK_MS * self.is_last, EVER)

    def rows(
        self, connection: Connection, table: Table, start: int, end: int
    ) -> Iterator[ColumnElement[bool]]:
        """Where its sites' rows are that begin from `start` up to `end`: conditions, each a short
        way along the table's key, or along all rows of small sites."""
        if table not in {*BY_DIMENSION, *BY_VALUE} or self.has_small_sites:
            yield self.moments(table.c["bucket"], start, end)
            return
        for site_id in self.sites:
            yield from rows_between(connection, table, site_id, start, end)

    def moments(self, moment: Column[int], start: int, end: int) -> ColumnElement[bool]:
        """That a row is of its sites, and from `start` up to `end`."""
        of = moment.table.c["site_id"]
        # An IN of one would not let rows be read in the order of time.
        of_sites = of == self.sites[0] if len(self.sites) == 1 else of.in_(self.sites)
        return and_(of_sites, moment >= start, moment < end)


def cut(
    engine: Engine,
    site_ids: Sequence[str],
    part: Part,
    after: tuple[str, int] | None = None,
    most: int = MOST_EVENTS,
) -> Iterator[Portion]:
    """The portions of a part, in order; of `site_ids`, which are sorted, or only those that follow
    a site's moment. Raises Unavailable."""
    small: list[str] = []
    room = most
    for site_id in site_ids:
        start = part.start
        if after is not None and site_id <= after[0]:
            start = max(start, after[1])
            if site_id < after[0] or start >= part.end:
                continue
        is_alone = start > part.start or count_some(engine, site_id, 0, EVER, most) > most
        number = 0 if is_alone else count_some(engine, site_id, part.start, part.end, most)
        if small and (is_alone or number > room or len(small) == MOST_SITES):
            yield Portion(tuple(small), part.start, part.end, has_small_sites=True)
            small, room = [], most
        if is_alone:
            yield from cut_site(engine, site_id, start, part.end, most)
        else:
            small.append(site_id)
            room -= number
    if small:
        yield Portion(tuple(small), part.start, part.end, has_small_sites=True)


def count_some(engine: Engine, site_id: str, start: int, end: int, most: int) -> int:
    """How many events a site has from `start` up to `end`; one more than `most` for any more."""
    some = (
        select(events.c.timestamp)
        .where(events.c.site_id == site_id)
        .where(events.c.timestamp >= start, events.c.timestamp < end)
        .limit(most + 1)
    )
    with translated_errors(), engine.begin() as connection:
        counted = select(func.count()).select_from(some.subquery()).prefix_with(LABEL)
        return connection.scalar(counted) or 0


def cut_site(engine: Engine, site_id: str, start: int, end: int, most: int) -> Iterator[Portion]:
    """As many days at a time as have `most` events together, or one."""
    nth = (
        select(events.c.timestamp)
        .where(events.c.site_id == site_id, events.c.timestamp < end)
        .order_by(events.c.timestamp)
        .prefix_with(LABEL)
    )
    while start < end:
        with translated_errors(), engine.begin() as connection:
            of_rest = nth.where(events.c.timestamp >= start)
            first = connection.scalar(of_rest.limit(1))
            last = connection.scalar(of_rest.offset(most).limit(1))
        if last is None or first is None:
            yield Portion((site_id,), start, end)
            return
        until = max(last - last % DAY_MS, first - first % DAY_MS + DAY_MS)
        yield Portion((site_id,), start, min(until, end), is_last=until >= end)
        start = until
