"""How many events of each hour are not merged yet. Of most rows an index tells it; of those that
have several hours, their data does. See shared/counts/pending.py."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from shared.clock import DAY_MS, HOUR_MS
from shared.counts.pending import Pending
from shared.db.tables import pending_counts

Rows = Select[*tuple[Any, ...]]
# site_id, bucket, batch_id
Key = tuple[str, int, str]

of = pending_counts.c
HAS_SEVERAL = of.last_event >= of.bucket + HOUR_MS


def fetch_pending_hours(
    connection: Connection,
    site_id: str,
    start: int,
    end: int,
    read: Callable[[Sequence[Key]], Iterable[Pending]],
    label: str,
) -> Counter[int]:
    """The events of each hour that begins from `start` up to `end`; `read` is asked for rows by
    their keys, if any has several hours."""
    hours: Counter[int] = Counter()
    are_told = True
    for bucket, has_several, events in connection.execute(
        select_hours(site_id, start, end).prefix_with(label)
    ):
        if has_several:
            are_told = False
        else:
            hours[bucket] += int(events)
    if not are_told:
        keys = connection.execute(select_of_several(site_id, start, end).prefix_with(label)).all()
        for row in read(list(map(tuple, keys))):
            hours.update(row.hours())
    return Counter({hour: number for hour, number in hours.items() if start <= hour < end})


def reaches_into(start: int, end: int) -> ColumnElement[bool]:
    """Whether a row may have events of hours that begin from `start` up to `end`."""
    return and_(of.bucket >= start - start % DAY_MS, of.bucket < end, of.last_event >= start)


def select_hours(site_id: str, start: int, end: int) -> Rows:
    """bucket, whether rows have several hours, and events."""
    return (
        select(of.bucket, HAS_SEVERAL.label("has_several"), func.sum(of.events))
        .where(of.site_id == site_id, reaches_into(start, end))
        .group_by(of.bucket, "has_several")
    )


def select_of_several(site_id: str, start: int, end: int) -> Rows:
    """The keys of the rows that have several hours."""
    return select(of.site_id, of.bucket, of.batch_id).where(
        of.site_id == site_id, reaches_into(start, end), HAS_SEVERAL
    )
