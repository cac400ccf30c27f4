"""/stats/receipt: what arrived for a site on UTC days, and what became of it.

    received = stored + duplicates + dropped + dead + erased

Summed over all sites and days, with what has no site and what is from before there were receipts,
that is the ledger. What the door refused never entered it, and is told beside it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import redis
from msgspec import Struct, field

from reporting.answers.members import about, count
from reporting.answers.ranges import TOO_SLOW, WRONG, Day, FirstDay, LastDay
from reporting.ask import parameters as by
from reporting.ask.parameter import Asked
from reporting.ask.parameters import FIRST_DAY
from reporting.ask.query import days_of
from reporting.count.receipts import Counted, Tally, fetch_counted
from reporting.route import DATABASE_FAULTS, Example, Kept, Route, Sources
from shared.clock import DAY_MS
from shared.db.database import translated_errors
from shared.outcomes import Outcome
from shared.queue.event_queue import EventQueue
from shared.queue.refusals import KEPT_DAYS, KEPT_MS, NO_SITE
from shared.queue.refusals import Refused as RefusedAlike

Refusals = dict[int, Counter[RefusedAlike]]


class Refused(Struct):
    """What the door answered with an error, or with `202` and kept nothing of (`prefetch`)."""

    status: Annotated[int, about("The HTTP status, of a single event among several its own.")]
    code: Annotated[str, about("The `code` of the error.")]
    number: Annotated[
        int, count("Events, or requests where the events in them could not be told apart.")
    ]


class Outcomes(Struct, kw_only=True):
    """What became of events."""

    received: Annotated[int, count("The sum of these five.")] = 0
    stored: Annotated[int, count("Counted in all numbers.")] = 0
    duplicates: Annotated[int, count("Came once more with the same `event_id`.")] = 0
    dropped: Annotated[
        dict[str, int],
        about("By reason: `bot` crawlers that say so, `burst` too many views in a second."),
    ] = field(default_factory=dict)
    dead: Annotated[int, count("Parked as dead letters; each once more where it is requeued.")] = 0
    erased: Annotated[
        int, count("Of sites that were deleted with all they had; none has them any more.")
    ] = 0


class Part(Outcomes, kw_only=True):
    refused: Annotated[
        list[Refused] | None,
        about(
            f"Not in `received`: what the door did not take, of the last {KEPT_DAYS} days; null "
            "while Redis is away."
        ),
    ]


class DayPart(Part, kw_only=True):
    date: Day


class Receipt(Struct, kw_only=True):
    """UTC days, by when events arrived (`received_at`), whatever their `timestamp` says."""

    site_id: Annotated[str | None, about("As it was asked; null for all sites.")]
    first_day: FirstDay = field(name="from")
    last_day: LastDay = field(name="to")
    total: Annotated[Part, about("The sum of `days`.")]
    days: Annotated[list[DayPart], about("Those on which anything came, in order.")]
    without_site: Annotated[
        Part,
        about(
            "Of the same days, whoever's it is: what waited and could not be read, by the day on "
            "which that was found, events of sites that are deleted, and refusals that name no "
            "site."
        ),
    ]
    before: Annotated[
        Outcomes,
        about(
            "Of all sites and days: what the ledger has and no receipt, because workers of a "
            "version without receipts stored it."
        ),
    ]


@dataclass(frozen=True)
class ReceiptQuery:
    """UTC days of a site, or of all. `start` and `end` are ms, half-open, and so are `kept_from`
    and `kept_until`, between which there are refusals."""

    site_id: str | None
    first_day: date
    last_day: date
    start: int
    end: int
    kept_from: int
    kept_until: int
    # Of whoever has a key of some sites: then nothing is told that is no site's.
    only: Sequence[str] = ()


def receipt_query(asked: Asked, now: int) -> ReceiptQuery:
    """`now` is in ms. Raises InvalidInput naming the parameter."""
    first, last = days_of(asked, datetime.fromtimestamp(now / 1000, UTC).date())
    start, end = ms_of(first), ms_of(last + timedelta(days=1))
    today = now - now % DAY_MS
    kept = (today - KEPT_MS, today + 2 * DAY_MS)  # ingestion's clock may be ahead
    return ReceiptQuery(asked[by.ANY_SITE], first, last, start, end, *kept, asked.only)


def ms_of(day: date) -> int:
    return (day - FIRST_DAY).days * DAY_MS


def fetch_receipt(sources: Sources, query: ReceiptQuery) -> Receipt:
    """Raises Unavailable where the database is away."""
    with translated_errors(), sources.engine.begin() as connection:
        counted = fetch_counted(connection, query.site_id, query.start, query.end)
    return receipt_from(query, counted, fetch_refused(sources.queue, query))


def fetch_refused(queue: EventQueue, query: ReceiptQuery) -> Refusals | None:
    """What was refused on the days asked for; None while Redis is away."""
    days = range(max(query.start, query.kept_from), min(query.end, query.kept_until), DAY_MS)
    try:
        return queue.fetch_refusals(days)
    except redis.RedisError:
        return None


def receipt_from(query: ReceiptQuery, counted: Counted, refusals: Refusals | None) -> Receipt:
    named: Refusals = {}
    nameless: Counter[RefusedAlike] = Counter()
    for day, refused in (refusals or {}).items():
        for alike, number in refused.items():
            if alike.site_id == NO_SITE:
                nameless[alike] += 0 if query.only else number
            elif query.site_id in (None, alike.site_id):
                named.setdefault(day, Counter())[alike] += number

    def part(tally: Tally, refused: Counter[RefusedAlike]) -> dict[str, Any]:
        return members_of(tally) | {"refused": None if refusals is None else listed(refused)}

    nothing: Counter[Any] = Counter()
    return Receipt(
        site_id=query.site_id,
        first_day=query.first_day,
        last_day=query.last_day,
        total=Part(**part(sum(counted.days.values(), nothing), sum(named.values(), nothing))),
        days=[
            DayPart(
                date=FIRST_DAY + timedelta(milliseconds=day),
                **part(counted.days.get(day, nothing), named.get(day, nothing)),
            )
            for day in sorted(counted.days.keys() | named.keys())
        ],
        without_site=Part(**part(nothing if query.only else counted.without_site, nameless)),
        before=Outcomes(**members_of(nothing if query.only else counted.before)),
    )


def members_of(tally: Tally) -> dict[str, Any]:
    """The members of Outcomes."""
    by_outcome: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for (outcome, reason), events in tally.items():
        by_outcome[outcome] += events
        if outcome == Outcome.DROPPED and events:
            dropped[reason] += events
    return {
        "received": by_outcome.total(),
        "stored": by_outcome[Outcome.STORED],
        "duplicates": by_outcome[Outcome.DUPLICATE],
        "dropped": dict(sorted(dropped.items())),
        "dead": by_outcome[Outcome.DEAD],
        "erased": by_outcome[Outcome.ERASED],
    }


def listed(refused: Counter[RefusedAlike]) -> list[Refused]:
    """Of any sites, the most frequent first."""
    alike: Counter[tuple[int, str]] = Counter()
    for (_, status, code), number in refused.items():
        alike[status, code] += number
    ordered = sorted(alike.items(), key=lambda item: (-item[1], item[0]))
    return [Refused(status, code, number) for (status, code), number in ordered]


CAME: Any = {"received": 1808, "stored": 1802, "duplicates": 6}
A_DAY = Receipt(
    site_id=by.SITE.example,
    first_day=date(2025, 11, 15),
    last_day=date(2025, 11, 15),
    total=Part(**CAME, refused=[]),
    days=[DayPart(date=date(2025, 11, 15), **CAME, refused=[])],
    without_site=Part(refused=[]),
    before=Outcomes(),
)
ON: Any = {"site_id": by.SITE.example, "date": "2025-11-15"}
RECEIPT = Route(
    paths=("/stats/receipt",),
    summary="What arrived, and what became of it",
    description="Of a site or all, by the UTC day on which events arrived; it adds up to the "
    "ledger. What still waits is in `/pipeline/status` only.",
    parameters=(by.ANY_SITE, by.DATE, by.FROM, by.TO),
    query=receipt_query,
    answer=fetch_receipt,
    examples=(Example("a_day", "A day", A_DAY, ON),),
    kept=Kept.UNSAID,
    wrong=WRONG,
    faults=(*DATABASE_FAULTS, TOO_SLOW._replace(asked={"date": "2025-11-15"})),
)
