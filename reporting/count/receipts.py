"""What receipts say of sites' days, with those of batches that nobody has added up yet."""

from collections import Counter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from reporting.count.statements import select_outcomes
from shared.counts.receipts import NO_SITE, Line, unpack_lines
from shared.db.tables import batch_receipts, receipt_totals, receipts
from shared.outcomes import Outcome

LABEL = "/* reporting.receipt */"

# By outcome and reason.
Tally = Counter[tuple[str, str]]


class Counted(NamedTuple):
    """By day, which begins at so many ms; `before` is what the ledger has and no receipt."""

    days: dict[int, Tally]
    without_site: Tally
    before: Tally


def fetch_counted(connection: Connection, site_id: str | None, start: int, end: int) -> Counted:
    """Of the UTC days from `start` to `end`, in ms and half-open, of a site or, for None, of all
    sites."""
    waiting = [
        line
        for (data,) in connection.execute(select(batch_receipts.c.data).prefix_with(LABEL))
        for line in unpack_lines(data)
    ]
    days: dict[int, Tally] = {}
    without_site: Tally = Counter()
    lines = [*connection.execute(select_lines(site_id, start, end))]
    for site, day, outcome, reason, events in [*lines, *within(waiting, site_id, start, end)]:
        tally = without_site if site == NO_SITE else days.setdefault(day, Counter())
        tally[outcome, reason] += int(events)
    return Counted(days, without_site, fetch_before(connection, waiting))


def select_lines(site_id: str | None, start: int, end: int) -> Select[Any]:
    """The lines of a site and those without one; of all sites added up, under one of them."""
    columns = receipts.c
    which = columns.site_id.in_((site_id, NO_SITE)) if site_id else columns.site_id >= NO_SITE
    place = (columns.day, columns.outcome, columns.reason)
    told_apart = columns.site_id == NO_SITE
    return (
        select(func.max(columns.site_id), *place, func.sum(columns.events))
        .where(which, columns.day >= start, columns.day < end)
        .group_by(told_apart, *place)
        .order_by(*place)
        .prefix_with(LABEL)
    )


def within(lines: list[Line], site_id: str | None, start: int, end: int) -> list[Line]:
    return [
        line
        for line in lines
        if start <= line.day < end and (site_id is None or line.site_id in (site_id, NO_SITE))
    ]


def fetch_before(connection: Connection, waiting: list[Line]) -> Tally:
    """What became of events that no receipt tells of: batches of earlier versions write none."""
    before: Tally = Counter()
    for outcome, reason, events in connection.execute(select_outcomes()):
        if outcome != Outcome.CORRECTED:  # which is no event that arrived
            before[alike(outcome, reason)] += int(events)
    totals = select(*receipt_totals.columns).prefix_with(LABEL)
    for outcome, reason, events in connection.execute(totals):
        before[alike(outcome, reason)] -= int(events)
    for line in waiting:
        before[alike(line.outcome, line.reason)] -= line.events
    return before


def alike(outcome: str, reason: str) -> tuple[str, str]:
    """As the ledger tells them apart: by reason where they were dropped."""
    return outcome, reason if outcome == Outcome.DROPPED else ""
