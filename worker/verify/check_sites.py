"""What concerns a site as a whole, and all of them: numbers of users, the span, the ledger."""

from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Row, func, select

from shared.db.tables import events, outcomes, pending_counts, sites, users
from shared.outcomes import Outcome
from worker.stored.extent import bounds, fetch_pruned_before, has_pruned
from worker.stored.key_order import pages, values_of
from worker.stored.site_rows import MAX_NUMBER
from worker.verify.findings import NO_ROW, Findings, place
from worker.verify.portion import LABEL


def check_site(connection: Connection, site_id: str, findings: Findings) -> None:
    row = connection.execute(select(sites).where(sites.c.site_id == site_id)).one_or_none()
    check_numbers(connection, site_id, row.users if row else 0, findings)
    pruned_before = fetch_pruned_before(connection, site_id)
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
    number = users.c.number
    summed_up = (
        select(func.count(), func.count(number.distinct()), func.min(number), func.max(number))
        .where(users.c.site_id == site_id)
        .prefix_with(LABEL)
    )
    rows, numbers, least, most = connection.execute(summed_up).one()
    if not rows or (rows == numbers and 0 <= least <= most < min(taken, MAX_NUMBER + 1)):
        return
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
    if has_pruned(connection):
        return
    stored = select(func.sum(outcomes.c.events)).where(outcomes.c.outcome == Outcome.STORED)
    expected = int(connection.scalar(stored) or 0)
    found = count_events(connection)
    if found != expected:
        findings.add(events.name, "outcome=stored", expected, found)


def count_events(connection: Connection) -> int:
    """All events, counted site by site: all at once takes longer than a statement may."""
    of_site = select(func.count()).select_from(events).prefix_with(LABEL)
    return sum(
        connection.scalar(of_site.where(events.c.site_id == site_id)) or 0
        for site_id in values_of(connection, events.c.site_id)
    )
