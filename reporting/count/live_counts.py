"""Events by the minute and by the day for the live routes: what the rollups know of them, and what
is not merged yet."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from reporting.ask.live_query import AnalyticsQuery, Window
from reporting.ask.paging import Page
from reporting.count.live_statements import (
    SiteIds,
    select_days,
    select_filtered_days,
    select_minute_counts,
    select_types,
)
from reporting.count.matching import has_text
from reporting.count.pending_rows import Head, fetch_heads, fetch_rows
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.counts.pending import Pending
from shared.counts.rollups import bucket_start
from shared.counts.segments import TIME
from shared.event import PAGE_VIEW
from shared.fields import EVENT_TYPE

# Later than any event.
FOR_EVER = 2**63 - 1


class DayCounts(NamedTuple):
    """Events by UTC day (ms): all of them, and those of each type of a page; the last of these
    types, where more follow."""

    overall: Mapping[int, int]
    of_types: Mapping[tuple[int, str], int]
    next_cursor: str | None


def fetch_minutes(
    connection: Connection, window: Window, event_type: str, site_ids: SiteIds
) -> Counter[int]:
    """How many events of a type each minute (ms) of a window has, which is of whole minutes."""
    counted = connection.execute(select_minute_counts(window, event_type, site_ids))
    minutes = Counter({row.minute: int(row.events) for row in counted})
    hours = (bucket_start(window.start, HOUR_MS), window.end)
    heads = fetch_heads(connection, site_ids, hours)
    keys = [head.key for head in heads if head.views or event_type != PAGE_VIEW]
    for _, row in fetch_rows(connection, keys):
        for minute, number in minutes_of(row, event_type).items():
            if window.start <= minute < window.end:
                minutes[minute] += number
    return minutes


def minutes_of(row: Pending, event_type: str) -> dict[int, int]:
    times = row.column(TIME).numbers[has_text(row.column(EVENT_TYPE), event_type)]
    numbers = np.bincount(times.astype(np.int64) // MINUTE_MS).tolist()
    return {row.bucket + n * MINUTE_MS: number for n, number in enumerate(numbers) if number}


def fetch_days(connection: Connection, since: int, site_ids: SiteIds, page: Page) -> DayCounts:
    """Whole UTC days from `since` on."""
    waiting = fetch_waiting_days(connection, since, site_ids)
    known = connection.execute(select_types(since, site_ids, page)).scalars()
    types, has_more = page.cut({*known, *(event_type for _, event_type in waiting)})
    first, last = (types[0], types[-1]) if types else ("", "")  # no type is empty
    each: Counter[tuple[int, str]] = Counter()
    overall: Counter[int] = Counter()
    for row in connection.execute(select_days(since, site_ids, first, last)):
        overall[row.day] += int(row.events)
        if row.event_type is not None:
            each[row.day, row.event_type] += int(row.events)
    for (day, event_type), number in waiting.items():
        overall[day] += number
        if first <= event_type <= last:
            each[day, event_type] += number
    return DayCounts(overall, each, types[-1] if has_more else None)


def fetch_filtered_days(
    connection: Connection, query: AnalyticsQuery, since: int, site_ids: SiteIds
) -> DayCounts:
    """The same of one user, one kind, or both."""
    rows = connection.execute(select_filtered_days(query, since, site_ids)).all()
    types, has_more = query.page.cut({row.event_type for row in rows})
    listed = frozenset(types)
    overall: Counter[int] = Counter()
    for row in rows:
        overall[row.day] += row.events
    each = {(row.day, row.event_type): row.events for row in rows if row.event_type in listed}
    return DayCounts(overall, each, types[-1] if has_more else None)


def fetch_waiting_days(
    connection: Connection, since: int, site_ids: SiteIds
) -> Counter[tuple[int, str]]:
    """Of what is not merged, the events of each day (ms) and type."""
    days: Counter[tuple[int, str]] = Counter()
    mixed: list[Head] = []
    for head in fetch_heads(connection, site_ids, (since, FOR_EVER)):
        if head.views == head.events:  # as of most rows; their data need not be read
            days[bucket_start(head.bucket, DAY_MS), PAGE_VIEW] += head.events
        else:
            mixed.append(head)
    for _, pending in fetch_rows(connection, [head.key for head in mixed]):
        texts, numbers = pending.column(EVENT_TYPE)
        for place, number in enumerate(np.bincount(numbers.astype(np.int64)).tolist()):
            days[bucket_start(pending.bucket, DAY_MS), str(texts[place])] += number
    return days
