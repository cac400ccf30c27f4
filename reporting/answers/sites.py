"""/sites: the sites seen."""

from typing import Annotated

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection

from reporting.answers.members import NEXT_CURSOR, EventCount, ViewCount, about, moment
from reporting.ask import parameters as by
from reporting.ask.paging import SitesQuery, sites_query
from reporting.count.known_sites import KnownSite, fetch_known_sites, fetch_settings
from reporting.route import Example, Kept, Route, from_database
from shared.clock import iso_from_ms
from shared.sites.settings import NOTHING_SET, SiteSettings
from shared.zones import MONDAY


class Site(Struct):
    site_id: str
    first_event: Annotated[str, moment("Its earliest `timestamp`.")]
    last_event: Annotated[str, moment("Its latest `timestamp`.")]
    total_events: EventCount
    total_views: ViewCount
    name: Annotated[str, about("What people call it: `footfall sites set`.")] | UnsetType = UNSET
    time_zone: (
        Annotated[str, about("Where its days begin; UTC where it is left out.")] | UnsetType
    ) = UNSET
    week_start: (
        Annotated[str, about("The day its weeks begin with; Monday where it is left out.")]
        | UnsetType
    ) = UNSET
    currency: Annotated[str, about("In which its amounts are, by ISO 4217.")] | UnsetType = UNSET
    public: (
        Annotated[bool, about("Whether its numbers need no key; false where it is left out.")]
        | UnsetType
    ) = UNSET


class Sites(Struct):
    """Sites that have an event, in order of `site_id`."""

    sites: list[Site]
    next_cursor: Annotated[str, NEXT_CURSOR] | UnsetType = UNSET


def fetch_sites(connection: Connection, query: SitesQuery) -> Sites:
    limit = query.page.limit
    found = fetch_known_sites(connection, query)
    page = found[:limit]
    settings = fetch_settings(connection, [known.site_id for known in page])
    sites = [site_of(known, settings.get(known.site_id, NOTHING_SET)) for known in page]
    return Sites(sites, page[-1].site_id if len(found) > limit else UNSET)


def site_of(found: KnownSite, settings: SiteSettings) -> Site:
    first, last = iso_from_ms(found.first_event), iso_from_ms(found.last_event)
    return Site(
        found.site_id,
        first,
        last,
        found.events,
        found.views,
        name=settings.name or UNSET,
        time_zone=settings.time_zone or UNSET,
        week_start=UNSET if settings.week_start == MONDAY else settings.week_start,
        currency=settings.currency or UNSET,
        public=settings.public or UNSET,
    )


ONE_SITE = Site(by.SITE.example, "2025-11-02T08:00:00.500Z", "2025-11-15T18:30:00Z", 1802, 1750)
SITES = Route(
    paths=("/sites",),
    summary="The sites seen",
    description="Every site that has an event, with its first and last one, in order of `site_id`; "
    "of those that the caller's key is for, and without a key of those that are public; "
    "`limit` at a time, and `next_cursor` says where to go on while there are more.",
    parameters=(by.ANY_SITE, by.PAGE_LIMIT, by.CURSOR),
    query=sites_query,
    answer=from_database(fetch_sites),
    kept=Kept.UNSAID,
    shows_own=True,
    is_public=True,
    examples=(Example("one_site", "One site", Sites([ONE_SITE])),),
)
