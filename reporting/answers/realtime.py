"""/realtime: what happens now on a site, counted anew each time."""

from typing import Annotated

from msgspec import Struct
from sqlalchemy import Connection

from reporting.answers.members import ViewCount, about, count, moment
from reporting.ask.live_query import RankingQuery, Window, live_query
from reporting.ask.parameters import SITE
from reporting.count.live_sites import find_sites
from reporting.count.live_statements import (
    TOP_PAGES,
    SiteIds,
    select_active,
    select_minutes,
    select_pages,
)
from reporting.route import Example, Route, from_database
from shared.clock import MINUTE_MS, iso_from_ms


class Page(Struct):
    path: str
    views: ViewCount


class Minute(Struct):
    """A UTC minute."""

    minute: Annotated[str, moment("When it begins.")]
    views: ViewCount
    unique_users: Annotated[int, count("Distinct `user_id` of events of all types in it.")]


class Realtime(Struct):
    """The last five minutes of a site."""

    active_users: Annotated[int, count("Distinct `user_id` of events of all types.")]
    active_sessions: Annotated[int, count("Distinct `session_id` of events of all types.")]
    views: ViewCount
    top_pages: Annotated[list[Page], about("The five most viewed paths; equal ones by path.")]
    per_minute: Annotated[list[Minute], about("In order, the empty ones too; together `views`.")]


def fetch_realtime(connection: Connection, window: Window) -> Realtime:
    site_ids = find_sites(connection, window.site_id, window.start)
    active = connection.execute(select_active(window, site_ids)).one()
    pages = connection.execute(select_pages(RankingQuery(window, TOP_PAGES), site_ids))
    return Realtime(
        active.active_users,
        active.active_sessions,
        active.views,
        [Page(row.path, row.views) for row in pages],
        fetch_minutes(connection, window, site_ids),
    )


def fetch_minutes(connection: Connection, window: Window, site_ids: SiteIds) -> list[Minute]:
    """Every minute that the window touches, with what of it is in the window."""
    rows = connection.execute(select_minutes(window, site_ids))
    counted = {row.minute: (row.views, row.unique_users) for row in rows}
    return [
        Minute(iso_from_ms(minute), *counted.get(minute, (0, 0)))
        for minute in range(window.start - window.start % MINUTE_MS, window.end, MINUTE_MS)
    ]


A_BURST = Realtime(
    active_users=212,
    active_sessions=424,
    views=1450,
    top_pages=[Page("/pricing", 700), Page("/blog/post-1", 500), Page("/", 250)],
    per_minute=[
        Minute("2025-11-15T18:27:00Z", 0, 0),
        Minute("2025-11-15T18:28:00Z", 0, 0),
        Minute("2025-11-15T18:29:00Z", 1449, 212),
        Minute("2025-11-15T18:30:00Z", 1, 1),
        Minute("2025-11-15T18:31:00Z", 0, 0),
        Minute("2025-11-15T18:32:00Z", 0, 0),
    ],
)
REALTIME = Route(
    paths=("/realtime",),
    summary="The last five minutes",
    description="Of a site: who is there, and what is viewed. Both ends of the five minutes count. "
    "`per_minute` lists each UTC minute that they touch, with as much of it as is in them.",
    parameters=(SITE,),
    query=live_query,
    answer=from_database(fetch_realtime),
    is_public=True,
    examples=(Example("now", "A burst two minutes ago", A_BURST),),
)
