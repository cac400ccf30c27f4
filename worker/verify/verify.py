"""Whether the rollups, and what is still to be merged into them, together say what `events` say.

Each day of a site is compared within one snapshot. So it is right on a live system: what a batch
writes, and what merging moves, is seen as a whole, or not at all.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pyroaring import BitMap
from sqlalchemy import Connection, Engine, Row, func, select

from shared.clock import DAY_MS, WEEK_MS
from shared.counts.rollups import DAYS, EVENT_ROLLUPS, TOTAL, USER_ROLLUPS, WEEKS
from shared.db.database import translated_errors
from shared.db.tables import events, outcomes, pending_counts, sites, users
from shared.outcomes import Outcome
from worker.stored.extent import (
    Covered,
    Days,
    Part,
    bounds,
    days_along,
    fetch_pruned_before,
    week_of,
)
from worker.stored.key_order import pages, values_of
from worker.stored.site_rows import MAX_NUMBER
from worker.stored.sparse_days import fetch_kept, is_mixed
from worker.verify.check import Check
from worker.verify.check_segments import check_pruned, check_segments
from worker.verify.findings import NO_ROW, Findings, place
from worker.verify.pending import count_pending
from worker.verify.recount import Cell, recount_day

T = TypeVar("T")


@dataclass
class Verified(Covered):
    """What was compared, and how often the two differ."""

    differences: int = 0


def verify(
    engine: Engine,
    days: Days,
    *,
    are_all: bool,
    say: Callable[[str], None],
    on_day: Callable[[], None] = lambda: None,
) -> Verified:
    """Compare days, and say what differs. Raises Unavailable.

    `are_all`: they are all there is, so the ledger of outcomes must agree with them too.
    """
    verified, findings = Verified(), Findings(say)
    for site_id, its_days in days.items():
        with translated_errors(), engine.begin() as connection:
            check_site(connection, site_id, findings)
        for day in its_days:
            with translated_errors(), engine.begin() as connection:
                check_day(connection, site_id, day, findings, verified)
            on_day()
        for week in sorted({week_of(day) for day in its_days}):
            with translated_errors(), engine.begin() as connection:
                check_week(connection, site_id, week, findings)
    if are_all:
        with translated_errors(), engine.begin() as connection:
            check_outcomes(connection, findings)
    findings.say_how_many_more()
    verified.differences = findings.found.total()
    return verified


def check_day(
    connection: Connection, site_id: str, day: int, findings: Findings, verified: Verified
) -> None:
    pruned_before = fetch_pruned_before(connection)
    if pruned_before is not None and day < pruned_before:
        verified.leave_out(day, pruned_before)
        check_pruned(connection, site_id, day, findings)
        count_pending(connection, site_id, day, findings)  # whether it can be read
        return
    recount = recount_day(connection, site_id, day)
    pending = count_pending(connection, site_id, day, findings)
    verified.add(site_id, day, recount.events)
    check = Check(connection, site_id, day, day + DAY_MS, findings, pending.texts | recount.texts)
    kept = fetch_kept(connection, site_id, day)
    if is_mixed(connection, site_id, day):
        check.is_of_use = is_total
    for rollup in EVENT_ROLLUPS:
        counts = (recount.counts_of(rollup), pending.counts_of(rollup))
        check.check_events(
            rollup.table, *(of_kept(cells, kept.has_events, rollup.bucket_ms) for cells in counts)
        )
    for table, bucket_ms in USER_ROLLUPS:
        members = (recount.users_by(bucket_ms), pending.users_by(bucket_ms))
        check.check_users(
            table, bucket_ms, *(of_kept(cells, kept.has_users, bucket_ms) for cells in members)
        )
    check.check_texts()
    check_segments(connection, site_id, day, findings)
    for user_id in sorted(recount.unnumbered):
        where = place(site_id, day, user_id=user_id)
        findings.add(users.name, where, "a number", "none that can be")


def of_kept(
    cells: Mapping[Cell, T], has: Callable[[str, int], bool], bucket_ms: int
) -> dict[Cell, T]:
    """The cells that are kept of a day; see shared/counts/sparse.py."""
    return {cell: found for cell, found in cells.items() if has(cell.dimension, bucket_ms)}


def is_total(cell: Cell) -> bool:
    """Whether answers take it from the rollups also of a sparse day that is mixed: from there come
    no values, and of users, which count once, more may be there."""
    return cell.dimension == TOTAL and bool(cell.event_type)


def check_week(connection: Connection, site_id: str, week: int, findings: Findings) -> None:
    """A week is its days added up, also where their events are pruned. Both get what is merged in
    one transaction."""
    check = Check(connection, site_id, week, week + WEEK_MS, findings)
    counts: dict[Cell, int] = defaultdict(int)
    for cell, number in check.events_in(DAYS.events).items():
        counts[cell.in_bucket(WEEK_MS)] += number
    check.check_events(WEEKS.events, counts)
    sets: dict[Cell, BitMap] = defaultdict(BitMap)
    for cell, members in check.users_in(DAYS.users, DAY_MS).items():
        sets[cell.in_bucket(WEEK_MS)] |= members
    check.check_users(WEEKS.users, WEEK_MS, sets)


def check_site(connection: Connection, site_id: str, findings: Findings) -> None:
    row = connection.execute(select(sites).where(sites.c.site_id == site_id)).one_or_none()
    check_numbers(connection, site_id, row.users if row else 0, findings)
    pruned_before = fetch_pruned_before(connection)
    first_and_last = bounds(connection, events.c.timestamp, site_id)
    known = span_of(connection, site_id, row)
    if known is None or not first_and_last:
        # Of a site whose events were all pruned, the row is all that is left to tell.
        if first_and_last:
            findings.add(sites.name, place(site_id), "a row", NO_ROW)
        elif row is not None and row.first_event <= row.last_event and pruned_before is None:
            findings.add(sites.name, place(site_id), NO_ROW, "a row")
        return
    columns = ("first_event", "last_event")
    for name, expected, found in zip(columns, first_and_last, known, strict=True):
        is_of_pruned = pruned_before is not None and found < pruned_before
        widens = found <= expected if name == "first_event" else found >= expected
        if found != expected and not (is_of_pruned and widens):
            findings.add(sites.name, place(site_id, column=name), expected, found)


def span_of(
    connection: Connection, site_id: str, row: Row[*tuple[Any, ...]] | None
) -> tuple[int, int] | None:
    """The first and last moment that a site's row will span once all is merged; None where it will
    span nothing. It may do so now: then numbers were taken for users, and that is all."""
    of = pending_counts.c
    pending = select(func.min(of.first_event), func.max(of.last_event)).where(of.site_id == site_id)
    spans = [tuple(connection.execute(pending).one())]
    if row is not None and row.first_event <= row.last_event:
        spans.append((row.first_event, row.last_event))
    spans = [span for span in spans if span[0] is not None]
    return (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else None


def check_numbers(connection: Connection, site_id: str, taken: int, findings: Findings) -> None:
    """Each user has one number below `taken`, and nobody else has it."""
    seen = BitMap()
    statement = select(users.c.user_id, users.c.number).where(users.c.site_id == site_id)
    for page in pages(connection, statement, (users.c.user_id,)):
        for user_id, number in page:
            where = place(site_id, user_id=user_id)
            if not 0 <= number < min(taken, MAX_NUMBER + 1):
                findings.add(users.name, where, f"a number below {taken}", number)
            elif number in seen:
                findings.add(users.name, where, "a number of its own", f"{number} again")
            else:
                seen.add(number)


def check_outcomes(connection: Connection, findings: Findings) -> None:
    """As many events as were stored, ever; unless some were pruned."""
    if fetch_pruned_before(connection) is not None:
        return
    stored = select(func.sum(outcomes.c.events)).where(outcomes.c.outcome == Outcome.STORED)
    expected = int(connection.scalar(stored) or 0)
    found = count_events(connection)
    if found != expected:
        findings.add(events.name, "outcome=stored", expected, found)


def count_events(connection: Connection) -> int:
    """All events, counted day by day: all at once takes longer than a statement may."""
    counted = 0
    for site_id in values_of(connection, events.c.site_id):
        of_site = events.c.site_id == site_id
        for day in days_along(connection, events.c.timestamp, Part(), of_site):
            at = events.c.timestamp
            of_day = (of_site, at >= day, at < day + DAY_MS)
            statement = select(func.count()).select_from(events).where(*of_day)
            counted += connection.scalar(statement) or 0
    return counted
