"""The receipt of a batch: its events by site, UTC day of arrival and what became of them.

It is written in the batch's transaction, and adds up to what that counts as outcomes.
"""

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter, itemgetter

from sqlalchemy import Connection

from shared.clock import DAY_MS
from shared.counts.receipts import NO_SITE, UNREADABLE, Line, pack_lines
from shared.db.tables import batch_receipts
from shared.event import Event
from shared.fields import MAX_NAME
from shared.outcomes import DropReason, Outcome
from worker.batch.insert import PLACES, Row
from worker.batch.parking import DeadEvent

# How many events of a site arrived on a day.
Arrivals = Counter[tuple[str, int]]

# Of a row: a server may take no statement of more than 1 MiB, and a site's name may have 1 kB.
PART_LINES = 400
# Of a day that reporting can be asked for: the year 9999 begins here.
TOO_LATE_MS = 253_370_764_800_000

site_of, moment_of = attrgetter("site_id"), attrgetter("received_at")
row_site, row_moment = itemgetter(PLACES["site_id"]), itemgetter(PLACES["received_at"])


def write_receipt(connection: Connection, batch_id: str, lines: list[Line]) -> None:
    statement = batch_receipts.insert().prefix_with("/* worker.receipts */")
    parts = [lines[first : first + PART_LINES] for first in range(0, len(lines), PART_LINES)]
    rows = [
        {"batch_id": batch_id, "part": part, "data": pack_lines(some)}
        for part, some in enumerate(parts)
    ]
    if rows:
        connection.execute(statement, rows)


def receipt_of(
    arrived: list[Event],
    crawlers: list[Event],
    erased: list[Event],
    inserted: list[Row],
    excess: list[Row],
    dead: list[DeadEvent],
    now: int,
) -> list[Line]:
    """The lines of a batch. Of those that `arrived`, some were `inserted`, of which those in
    `excess` are deleted again; some are `dead`, as is what could not be read; the others are
    duplicates. Those that are `erased` are nobody's. `now` is in ms."""
    came = arrivals_of(map(site_of, arrived), map(moment_of, arrived), now)
    is_whole = len(inserted) == len(arrived)
    rows = came if is_whole else of_rows(inserted, now)
    burst = of_rows(excess, now)
    readable = [event.arrival for event in dead if event.arrival]
    refused = arrivals_of((site for site, _ in readable), (at for _, at in readable), now)
    unreadable: Arrivals = Counter()
    unreadable[NO_SITE, day_of(now)] = len(dead) - len(readable)
    parts = (
        (Outcome.STORED, "", rows - burst),
        (Outcome.DUPLICATE, "", came - rows - refused),
        (
            Outcome.DROPPED,
            DropReason.BOT,
            arrivals_of(map(site_of, crawlers), map(moment_of, crawlers), now),
        ),
        (Outcome.DROPPED, DropReason.BURST, burst),
        (Outcome.DEAD, "", refused),
        (Outcome.DEAD, UNREADABLE, unreadable),
        (Outcome.ERASED, "", arrivals_of([NO_SITE] * len(erased), map(moment_of, erased), now)),
    )
    return [
        Line(site_id, day, str(outcome), str(reason), events)
        for outcome, reason, arrivals in parts
        for (site_id, day), events in sorted(arrivals.items())
        if events
    ]


def of_rows(rows: list[Row], now: int) -> Arrivals:
    return arrivals_of(map(row_site, rows), map(row_moment, rows), now)


def arrivals_of(site_ids: Iterable[str], moments: Iterable[int], now: int) -> Arrivals:
    """Events by site and day. What no door has written may have a site that is too long, or a
    moment that is none: that is nobody's, and of today."""
    moments = list(moments)
    first = day_of(min(moments, default=now))
    # As nearly all batches are: of one day, which takes a third of the time.
    if max(moments, default=now) < first + DAY_MS:
        arrivals = Counter({(site_id, first): n for site_id, n in Counter(site_ids).items()})
    else:
        arrivals = Counter(zip(site_ids, map(day_of, moments), strict=True))
    for site_id, day in list(arrivals):
        if len(site_id) > MAX_NAME or not 0 <= day < TOO_LATE_MS:
            arrivals[NO_SITE, day_of(now)] += arrivals.pop((site_id, day))
    return arrivals


def day_of(moment: int) -> int:
    """When its UTC day begins; both in ms."""
    return moment - moment % DAY_MS
