"""The reporting service: reads SQL and Redis, and never writes to either."""

from collections.abc import Callable

import redis
from flask import Flask, Response, jsonify, request
from sqlalchemy import Engine

from reporting.answers.ledger import fetch_status
from reporting.answers.system import SystemReport
from reporting.dashboard.page import add_dashboard, is_open
from reporting.http.live_routes import add_live_routes
from reporting.http.openapi import OPENAPI
from reporting.http.stats_routes import add_stats_routes, take_no_parameters
from reporting.http.telemetry import OutcomeCollector
from shared.clock import now_ms
from shared.db.database import reading_engine
from shared.db.schema import check_schema
from shared.errors import InvalidInput, Unavailable
from shared.http.auth import is_authorised
from shared.http.web import add_common_routes
from shared.queue.event_queue import EventQueue
from shared.settings import Settings

OPEN_ROUTES = frozenset({"/health", "/ready"})
QUEUE_TIMEOUT_SECONDS = 2.0


class Reporting(Flask):
    """The application and what it reads from."""

    engine: Engine
    queue: EventQueue

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        self.engine.dispose()
        self.queue.close()


def create_app(settings: Settings, clock: Callable[[], int] = now_ms) -> Reporting:
    """The application. Connects to nothing until the first request."""
    app = Reporting("reporting", static_folder=None)
    engine = app.engine = reading_engine(settings)
    queue = app.queue = EventQueue(settings, timeout_seconds=QUEUE_TIMEOUT_SECONDS)
    ask_for_key(app, settings.api_auth)
    add_common_routes(app, OPENAPI, lambda: check_ready(engine, queue), OutcomeCollector(engine))
    add_dashboard(app, settings)
    add_stats_routes(app, engine, clock)
    add_live_routes(app, engine, clock)
    add_operator_routes(app, engine, queue, clock)
    return app


def check_ready(engine: Engine, queue: EventQueue) -> None:
    """Raises Unavailable where a dependency does not answer, or the database is not migrated."""
    check_schema(engine)
    try:
        queue.redis.ping()
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {error}") from error


def ask_for_key(app: Flask, api_auth: str) -> None:
    @app.before_request
    def check_key() -> None:
        if request.path in OPEN_ROUTES or is_open(request.path):
            return
        if not is_authorised(request.headers.get("Authorization"), api_auth):
            raise InvalidInput("unauthorized", "a valid API key is required", status=401)


def add_operator_routes(
    app: Flask, engine: Engine, queue: EventQueue, clock: Callable[[], int]
) -> None:
    report = SystemReport(engine, queue)

    @app.get("/pipeline/status", endpoint="pipeline_status")
    @app.get("/persistent/status", endpoint="persistent_status")
    def pipeline_status() -> Response:
        take_no_parameters()
        return jsonify(fetch_status(engine, queue, clock()))

    @app.get("/system")
    def system() -> Response:
        take_no_parameters()
        return jsonify(report.fetch())
