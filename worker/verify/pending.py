"""What of a site's day waits in `pending_counts`, counted event by event: no more of it is shared
with the code that merges than how the bytes are read.

A row of which anything is not what it should be is a finding by itself, and counts as far as it can
be read.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, iso_from_ms
from shared.counts.pending import TEXTS, Pending, read_pending
from shared.counts.rollups import ROLLED_UP, TOTAL, TOTAL_KEY, value_key
from shared.counts.segments import TIME, USER
from shared.db.tables import pending_counts
from shared.event import PAGE_VIEW
from shared.fields import EVENT_TYPE
from worker.verify.findings import Findings, place
from worker.verify.recount import Cell, Recount

LABEL = "/* worker.verify */"
# What a row says beside its bytes.
SAID = ("events", "views", "first_event", "last_event")


def count_pending(connection: Connection, site_id: str, day: int, findings: Findings) -> Recount:
    """What rollups will have more of that day once it is merged."""
    recount = Recount()
    of_day = (
        select(pending_counts)
        .prefix_with(LABEL)
        .where(
            pending_counts.c.site_id == site_id,
            pending_counts.c.bucket >= day,
            pending_counts.c.bucket < day + DAY_MS,
        )
    )
    for row in connection.execute(of_day):
        where = place(site_id, row.bucket, batch_id=row.batch_id)
        try:
            pending = read_pending(row.bucket, row.events, row.data)
            check_row(row, pending, where, findings)
        except ValueError as error:
            findings.add(pending_counts.name, where, "counts", f"bytes: {error}")
            continue
        add_row(recount, pending)
    return recount


def check_row(row: Row[*tuple[Any, ...]], pending: Pending, where: str, findings: Findings) -> None:
    """Raises ValueError where nothing of it can be counted."""
    unknown = pending.columns.keys() - {TIME, USER, *TEXTS}
    if unknown or TIME not in pending.columns:
        raise ValueError(f"its columns are {', '.join(sorted(pending.columns))}")
    if None in pending.texts(EVENT_TYPE):
        raise ValueError("it has an event without a type")
    if row.bucket % HOUR_MS or max(pending.numbers(TIME)) >= HOUR_MS:
        raise ValueError(f"it has events that are not of the hour {iso_from_ms(row.bucket)}")
    moments = [pending.bucket + offset for offset in pending.numbers(TIME)]
    views = pending.texts(EVENT_TYPE).count(PAGE_VIEW)
    has = dict(zip(SAID, (pending.events, views, min(moments), max(moments)), strict=True))
    for name, expected in has.items():
        if row._mapping[name] != expected:
            at = f"{where} column={name!r}"
            findings.add(pending_counts.name, at, expected, row._mapping[name])


def add_row(recount: Recount, pending: Pending) -> None:
    recount.events += pending.events
    minutes: Counter[Cell] = Counter()
    hours: Counter[Cell] = Counter()
    for moment, number, event_type, values in events_in(pending):
        minute = moment - moment % MINUTE_MS
        minutes[Cell(minute, TOTAL, TOTAL_KEY, event_type)] += 1
        for dimension, value in {TOTAL: "", **values}.items():
            if value is not None:
                hours[Cell(pending.bucket, dimension, value_key(value), event_type)] += 1
        for dimension, value in {TOTAL: "", EVENT_TYPE: event_type, **values}.items():
            if value is not None and number:
                cell = Cell(pending.bucket, dimension, value_key(value), "")
                recount.users[cell].add(number - 1)
        recount.texts |= {value_key(v): v for v in values.values() if v is not None}
    for counted, more in ((recount.minutes, minutes), (recount.hours, hours)):
        for cell, events in more.items():
            counted[cell] = counted.get(cell, 0) + events


def events_in(pending: Pending) -> Iterator[tuple[int, int, str, dict[str, str | None]]]:
    """Of each event its moment, its user's number plus one or 0, its type, and the value of each
    dimension that is rolled up."""
    values = [pending.texts(name) for name in ROLLED_UP]
    for offset, number, event_type, *of in zip(
        pending.numbers(TIME),
        pending.numbers(USER),
        pending.texts(EVENT_TYPE),
        *values,
        strict=True,
    ):
        yield (
            pending.bucket + offset,
            number,
            event_type or "",
            dict(zip(ROLLED_UP, of, strict=True)),
        )
