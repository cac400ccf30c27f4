"""The sites that have an event, merged or not."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection

from reporting.ask.paging import SitesQuery
from reporting.count.pending_statements import select_pending_sites
from reporting.count.rollup_statements import chunks
from reporting.count.statements import (
    select_site_settings,
    select_site_totals,
    select_some_sites,
)
from shared.sites.settings import SiteSettings, decode_settings


class KnownSite(NamedTuple):
    """Moments are in ms."""

    site_id: str
    first_event: int
    last_event: int
    events: int
    views: int

    def plus(self, other: "KnownSite") -> "KnownSite":
        return KnownSite(
            self.site_id,
            min(self.first_event, other.first_event),
            max(self.last_event, other.last_event),
            self.events + other.events,
            self.views + other.views,
        )


def fetch_known_sites(connection: Connection, query: SitesQuery) -> list[KnownSite]:
    """In the order of their names' UTF-8, which is that of the database; of a page, one more where
    there are more."""
    known: dict[str, KnownSite] = {}
    for site in chain(fetch_merged(connection, query), fetch_pending(connection, query)):
        before = known.get(site.site_id)
        known[site.site_id] = site if before is None else before.plus(site)
    # Of each kind as many as could be needed were fetched, from the same name on.
    return [site for _, site in sorted(known.items())][: query.page.limit + 1]


def fetch_settings(connection: Connection, site_ids: Sequence[str]) -> dict[str, SiteSettings]:
    """What is set for those of these sites that are registered."""
    found: dict[str, SiteSettings] = {}
    for some in chunks(site_ids):
        for site_id, settings in connection.execute(select_site_settings(some)):
            found[site_id] = decode_settings(settings)
    return found


def fetch_merged(connection: Connection, query: SitesQuery) -> Iterator[KnownSite]:
    found = connection.execute(select_some_sites(query)).all()
    if not found:
        return
    rows = connection.execute(select_site_totals(found[0].site_id, found[-1].site_id))
    totals = {row.site_id: row for row in rows}
    for row in found:
        its = totals.get(row.site_id)
        counted = (0, 0) if its is None else (int(its.events), int(its.views))
        yield KnownSite(row.site_id, row.first_event, row.last_event, *counted)


def fetch_pending(connection: Connection, query: SitesQuery) -> Iterator[KnownSite]:
    rows = connection.execute(select_pending_sites(query))
    for site_id, first, last, events, views in rows:
        yield KnownSite(site_id, first, last, int(events), int(views))
