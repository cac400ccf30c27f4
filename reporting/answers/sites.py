"""/sites: the sites seen."""

from typing import Annotated

from msgspec import Struct
from sqlalchemy import Connection

from reporting.answers.members import EventCount, ViewCount, moment
from reporting.ask.parameters import SITE
from reporting.count.known_sites import KnownSite, fetch_known_sites
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
    return Sites([site_of(found) for found in fetch_known_sites(connection)])


def site_of(found: KnownSite) -> Site:
    first, last = iso_from_ms(found.first_event), iso_from_ms(found.last_event)
    return Site(found.site_id, first, last, found.events, found.views)


ONE_SITE = Site(SITE.example, "2025-11-02T08:00:00.500Z", "2025-11-15T18:30:00Z", 1802, 1750)
SITES = Route(
    paths=("/sites",),
    summary="The sites seen",
    description="Every site that has an event, with its first and last one.",
    answer=from_database(fetch_sites),
    kept=Kept.UNSAID,
    examples=(Example("one_site", "One site", Sites([ONE_SITE])),),
)
