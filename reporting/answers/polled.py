"""The lists that dashboards poll: users, pages, and a user's sessions, of the last five minutes."""

from dataclasses import replace
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Connection

from reporting.answers.members import AsAsked, EventCount, ViewCount, about, count, moment
from reporting.ask import parameters as by
from reporting.ask.live_query import RankingQuery, SessionsQuery, ranking_query, sessions_query
from reporting.count.live_sites import find_sites
from reporting.count.live_statements import select_pages, select_sessions, select_users
from reporting.route import Example, Route, from_database
from shared.clock import iso_from_ms


class Session(Struct):
    session_id: str
    last_seen: Annotated[str, moment("Its latest event.")]


class Sessions(Struct):
    """A user's sessions of the last five minutes."""

    user_id: AsAsked
    active_sessions: Annotated[int, count("How many.")]
    sessions: Annotated[list[Session], about("Newest first; equal ones by `session_id`.")]


class ActiveUser(Struct):
    user_id: str
    events: EventCount


class ViewedPage(Struct):
    page_url: Annotated[str, about("The path.")]
    views: ViewCount


# Lists have no class that names them.
USERS = Meta(title="ActiveUsers", description="Most active first; equal ones by `user_id`.")
PAGES = Meta(title="PageViews", description="Most viewed first; equal ones by path.")


def fetch_users(connection: Connection, query: RankingQuery) -> Annotated[list[ActiveUser], USERS]:
    site_ids = find_sites(connection, query.window.site_id, query.window.start)
    rows = connection.execute(select_users(query, site_ids))
    return [ActiveUser(row.user_id, row.events) for row in rows]


def fetch_pages(connection: Connection, query: RankingQuery) -> Annotated[list[ViewedPage], PAGES]:
    site_ids = find_sites(connection, query.window.site_id, query.window.start)
    rows = connection.execute(select_pages(query, site_ids))
    return [ViewedPage(row.path, row.views) for row in rows]


def fetch_sessions(connection: Connection, query: SessionsQuery) -> Sessions:
    site_ids = find_sites(connection, query.window.site_id, query.window.start)
    rows = connection.execute(select_sessions(query, site_ids)).all()
    sessions = [Session(row.session_id, iso_from_ms(row.last_seen)) for row in rows]
    return Sessions(query.user_id, rows[0].sessions if rows else 0, sessions)


TWO_SESSIONS = [
    Session("session-7", "2025-11-15T18:29:59.993Z"),
    Session("session-219", "2025-11-15T18:29:59.781Z"),
]
USER_SESSIONS = Route(
    paths=("/users/{user_id}/sessions",),
    summary="A user's sessions",
    description="Those with an event in the last five minutes, newest first.",
    parameters=(by.SITE, by.USER_ID, by.SESSIONS_LIMIT),
    query=sessions_query,
    answer=from_database(fetch_sessions),
    examples=(Example("two", "Two", Sessions(by.USER_ID.example, 2, TWO_SESSIONS)),),
)
SESSIONS_ANYWHERE = replace(
    USER_SESSIONS,
    paths=("/metrics/user-sessions/{user_id}",),
    summary="A user's sessions, of any site",
    description="The same as `/users/{user_id}/sessions` where `site_id` may be left out.",
    parameters=(by.ANY_SITE, by.USER_ID, by.SESSIONS_LIMIT),
)
THREE_USERS = [ActiveUser("user-0", 8), ActiveUser("user-1", 8), ActiveUser("user-10", 8)]
ACTIVE_USERS = Route(
    paths=("/metrics/active-users",),
    summary="The most active users",
    description="Those with the most events of any type in the last five minutes.",
    parameters=(by.ANY_SITE, by.LIMIT),
    query=ranking_query,
    answer=from_database(fetch_users),
    examples=(Example("three", "Three", THREE_USERS, {"limit": 3}),),
)
TWO_PAGES = [ViewedPage("/pricing", 700), ViewedPage("/blog/post-1", 500)]
PAGE_VIEWS = Route(
    paths=("/metrics/page-views",),
    summary="The most viewed pages",
    description="Of the last five minutes.",
    parameters=(by.ANY_SITE, by.LIMIT),
    query=ranking_query,
    answer=from_database(fetch_pages),
    is_public=True,
    examples=(Example("two", "Two", TWO_PAGES, {"limit": 2}),),
)
