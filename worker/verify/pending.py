"""What of some sites waits in `pending_counts`, counted event by event: no more of it is shared
with the code that merges than how the bytes are read.

A row of which anything is not what it should be is a finding by itself, and counts as far as it can
be read.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from shared.clock import DAY_MS, HOUR_MS, iso_from_ms
from shared.counts.pending import TEXTS, Pending, read_pending
from shared.counts.rollups import ROLLED_UP
from shared.counts.segments import TIME, USER
from shared.db.tables import pending_counts
from shared.event import PAGE_VIEW
from shared.fields import EVENT_TYPE
from worker.verify.findings import Findings, place
from worker.verify.portion import LABEL, Portion
from worker.verify.recount import Recount

# What a row says beside its bytes.
SAID = ("events", "views", "first_event", "last_event")


@dataclass
class Waiting:
    """What rollups will have more once it is merged."""

    recount: Recount = field(default_factory=Recount)
    # How many events answers take the rows to have, by site_id and hour.
    events: Counter[tuple[str, int]] = field(default_factory=Counter)


def count_pending(
    connection: Connection, portion: Portion, since: int, findings: Findings
) -> Waiting:
    """Of a portion; what is before `since` only has to be readable."""
    waiting = Waiting()
    rows = select(pending_counts).prefix_with(LABEL)
    at = portion.moments(pending_counts.c.bucket, portion.start, portion.end)
    for row in connection.execute(rows.where(at)):
        where = place(row.site_id, row.bucket, batch_id=row.batch_id)
        has_several_hours = row.last_event >= row.bucket + HOUR_MS
        waiting.events[row.site_id, row.bucket] += 0 if has_several_hours else row.events
        try:
            pending = read_pending(row.bucket, row.events, row.data)
            if has_several_hours:
                for hour, number in pending.hours().items():
                    waiting.events[row.site_id, hour] += number
            check_row(row, pending, where, findings)
        except ValueError as error:
            findings.add(pending_counts.name, where, "counts", f"bytes: {error}")
            continue
        if row.bucket >= since:
            add_row(waiting.recount, row.site_id, pending)
    return waiting


def check_row(row: Row[*tuple[Any, ...]], pending: Pending, where: str, findings: Findings) -> None:
    """Raises ValueError where nothing of it can be counted."""
    unknown = pending.columns.keys() - {TIME, USER, *TEXTS}
    if unknown or TIME not in pending.columns:
        raise ValueError(f"its columns are {', '.join(sorted(pending.columns))}")
    if None in pending.texts(EVENT_TYPE):
        raise ValueError("it has an event without a type")
    moments = [pending.bucket + offset for offset in pending.numbers(TIME)]
    day = row.bucket - row.bucket % DAY_MS
    if row.bucket % HOUR_MS or min(moments) >= row.bucket + HOUR_MS or max(moments) >= day + DAY_MS:
        begin = iso_from_ms(row.bucket)
        raise ValueError(f"its events do not begin in the hour {begin}, or go on to another day")
    views = pending.texts(EVENT_TYPE).count(PAGE_VIEW)
    has = dict(zip(SAID, (pending.events, views, min(moments), max(moments)), strict=True))
    for name, expected in has.items():
        if row._mapping[name] != expected:
            at = f"{where} column={name!r}"
            findings.add(pending_counts.name, at, expected, row._mapping[name])


def add_row(recount: Recount, site_id: str, pending: Pending) -> None:
    recount.add(
        [site_id] * pending.events,
        [pending.bucket + offset for offset in pending.numbers(TIME)],
        [number - 1 if number else None for number in pending.numbers(USER)],
        [event_type or "" for event_type in pending.texts(EVENT_TYPE)],
        {name: pending.texts(name) for name in ROLLED_UP},
    )
