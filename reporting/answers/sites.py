"""/sites: the sites seen."""

from typing import Annotated, Any

from msgspec import Struct
from sqlalchemy import Connection, Row

from reporting.answers.members import EventCount, ViewCount, moment
from reporting.ask.parameters import SITE
from reporting.count.statements import select_site_totals, select_sites
from reporting.route import Example, Kept, Route, from_database
from shared.clock import iso_from_ms


class Site(Struct):
    site_id: str
    first_event: Annotated[str, moment("Its earliest `timestamp`.")]
    last_event: Annotated[str, moment("Its latest `timestamp`.")]
    total_events: EventCount
    total_views: ViewCount


class Sites(Struct):
    """Every site that has an event, in order of `site_id`."""

    sites: list[Site]


def fetch_sites(connection: Connection, _now: int) -> Sites:
    rows = connection.execute(select_sites()).all()
    totals = {row.site_id: row for row in connection.execute(select_site_totals())}
    return Sites([site_of(row, totals[row.site_id]) for row in rows])


def site_of(row: Row[Any], totals: Row[Any]) -> Site:
    first, last = iso_from_ms(row.first_event), iso_from_ms(row.last_event)
    return Site(row.site_id, first, last, int(totals.events), int(totals.views))


ONE_SITE = Site(SITE.example, "2025-11-02T08:00:00.500Z", "2025-11-15T18:30:00Z", 1802, 1750)
SITES = Route(
    paths=("/sites",),
    summary="The sites seen",
    description="Every site that has an event, with its first and last one.",
    answer=from_database(fetch_sites),
    kept=Kept.UNSAID,
    examples=(Example("one_site", "One site", Sites([ONE_SITE])),),
)
