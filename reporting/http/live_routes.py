"""The routes of what happens now, and those by which clients of other systems ask for numbers."""

from collections.abc import Callable

from flask import Flask, Response, jsonify, request
from sqlalchemy import Engine
from werkzeug.routing import BaseConverter

from reporting.answers.analytics import fetch_analytics
from reporting.answers.minutes import fetch_bucket, fetch_views_per_minute
from reporting.answers.realtime import (
    fetch_active_users,
    fetch_page_views,
    fetch_realtime,
    fetch_sessions,
)
from reporting.ask.live_query import (
    Parameters,
    analytics_query_from,
    any_sessions_query_from,
    bucket_query_from,
    minutes_query_from,
    ranking_query_from,
    realtime_query_from,
    sessions_query_from,
)

Clock = Callable[[], int]


class NameConverter(BaseConverter):
    """Any name that an event may carry, such as `https://id.example/ann`: slashes and all."""

    part_isolating = False
    regex = "(?s:.+?)"


def add_live_routes(app: Flask, engine: Engine, clock: Clock) -> None:
    app.url_map.converters["name"] = NameConverter
    add_realtime_routes(app, engine, clock)
    add_dashboard_routes(app, engine, clock)
    add_analytics_routes(app, engine, clock)


def parameters() -> Parameters:
    return request.args.to_dict(flat=False)


def live(answer: object) -> Response:
    """An answer that is another one the next moment."""
    response = jsonify(answer)
    response.headers["Cache-Control"] = "no-store"
    return response


def add_realtime_routes(app: Flask, engine: Engine, clock: Clock) -> None:
    @app.get("/realtime")
    def realtime() -> Response:
        return live(fetch_realtime(engine, realtime_query_from(parameters(), clock())))

    @app.get("/users/<name:user_id>/sessions")
    def user_sessions(user_id: str) -> Response:
        query = sessions_query_from(parameters(), user_id, clock())
        return live(fetch_sessions(engine, query))


def add_dashboard_routes(app: Flask, engine: Engine, clock: Clock) -> None:
    """What the dashboard of streaming-analytics polls."""

    @app.get("/metrics/active-users")
    def active_users() -> Response:
        return live(fetch_active_users(engine, ranking_query_from(parameters(), clock())))

    @app.get("/metrics/page-views")
    def page_views() -> Response:
        return live(fetch_page_views(engine, ranking_query_from(parameters(), clock())))

    @app.get("/metrics/user-sessions/<name:user_id>")
    def sessions_of_any_site(user_id: str) -> Response:
        query = any_sessions_query_from(parameters(), user_id, clock())
        return live(fetch_sessions(engine, query))


def add_analytics_routes(app: Flask, engine: Engine, clock: Clock) -> None:
    """What clients of analytics-engine and event-analytics ask."""

    @app.get("/analytics")
    def analytics() -> Response:
        return live(fetch_analytics(engine, analytics_query_from(parameters(), clock())))

    @app.get("/analytics/page_views_per_minute")
    def page_views_per_minute() -> Response:
        return live(fetch_views_per_minute(engine, minutes_query_from(parameters(), clock())))

    @app.get("/analytics/minute-buckets/<name:bucket_key>")
    def minute_bucket(bucket_key: str) -> Response:
        return live(fetch_bucket(engine, bucket_query_from(parameters(), bucket_key)))
