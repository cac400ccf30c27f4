"""The reporting service: reads SQL and Redis. It writes to Redis when a key was used last and that
somebody looks at /doctor, and what an admin sets, over an engine of its own that no question can
reach.
"""

from collections.abc import Callable, Sequence

import psutil
import redis
from flask import Flask, g, request

from reporting.admin.desk import Desk
from reporting.answers.unmerged import fetch_unmerged
from reporting.dashboard.page import add_dashboard, is_open
from reporting.http.calls import add_calls, is_admin
from reporting.http.description import UNKNOWN_HOST
from reporting.http.from_here import check_from_here
from reporting.http.keys import KeyBook
from reporting.http.openapi import OPENAPI
from reporting.http.routes import PUBLIC_ROUTES, Reception, add_routes
from reporting.http.seats import Seats
from reporting.http.sites import SiteBook
from reporting.http.telemetry import LedgerCollector
from reporting.route import Sources
from shared.clock import now_ms
from shared.db.database import at_once, of_replica, prompt_engine, reading_engine
from shared.db.schema import check_schema
from shared.errors import InvalidInput, Unavailable
from shared.http.hosts import OwnNames
from shared.http.methods import only_reading
from shared.http.paths import below
from shared.http.web import add_common_routes
from shared.keys.keys import Kind, all_sites
from shared.queue.event_queue import EventQueue
from shared.settings import Settings

OPEN_ROUTES = frozenset({"/health", "/ready"})
METRICS = "/metrics"
QUEUE_TIMEOUT_SECONDS = 1.0
# Who asks how things stand gives up soon.
STATUS_PATIENCE_SECONDS, STATUS_LINE = 0.5, 20
# What changes what is set is a few rows.
ADMIN_PATIENCE_SECONDS, ADMIN_LINE = 5.0, 20
# Nothing here writes, so that no error tells of a Redis that has become a replica.
CONNECTION_SECONDS = 10.0


class Reporting(Flask):
    """The application, what it reads from, and how many may ask at a time."""

    sources: Sources
    desk: Desk
    seats: Seats
    status_seats: Seats
    admin_seats: Seats

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        self.desk.close()
        self.sources.close()


def create_app(settings: Settings, clock: Callable[[], int] = now_ms) -> Reporting:
    """The application. Connects to nothing until the first request."""
    app = Reporting("reporting", static_folder=None)
    app.sources = make_sources(settings)
    app.desk = Desk(settings, app.sources.queue, app.sources.ledger)
    app.seats = Seats(settings.query_seconds)
    app.status_seats = Seats(STATUS_PATIENCE_SECONDS, longest_line=STATUS_LINE)
    patience = min(ADMIN_PATIENCE_SECONDS, settings.query_seconds)
    app.admin_seats = Seats(patience, longest_line=ADMIN_LINE)
    asked = [engine for engine in (app.sources.ledger, app.sources.replica) if engine is not None]
    keys = KeyBook(asked, app.sources.queue, settings.api_auth)
    sites = SiteBook(asked, app.sources.engine, app.seats)
    ask_for_key(app, settings, keys, sites, clock)
    collector = LedgerCollector(app.sources, clock)
    public_url = settings.public_reporting_url
    add_common_routes(
        app, OPENAPI, lambda: check_ready(app.sources, clock()), collector, public_url
    )
    add_dashboard(app, settings)
    add_routes(app, app.sources, Reception(clock, sites, app.seats, app.status_seats))
    add_calls(app, app.desk, clock, app.admin_seats, (keys, sites))
    guarded = only_reading(app.wsgi_app, is_admin)
    app.wsgi_app = below(settings.reporting_prefix, guarded)  # type: ignore[assignment, method-assign]
    psutil.cpu_percent()  # the first call only sets the point the next one measures from
    return app


def make_sources(settings: Settings) -> Sources:
    replica = of_replica(prompt_engine, settings)
    queue = EventQueue(
        settings, timeout_seconds=QUEUE_TIMEOUT_SECONDS, max_age_seconds=CONNECTION_SECONDS
    )
    questions = of_replica(reading_engine, settings) or reading_engine(settings)
    return Sources(questions, queue, prompt_engine(settings), replica, settings)


def check_ready(sources: Sources, now: int) -> Sequence[str]:
    """What an operator should know; `now` is in ms. Raises Unavailable where what most answers need
    does not answer, or the database that they are read from is not migrated."""
    with at_once():
        check_schema(sources.status)
    queue = sources.queue
    try:
        queue.redis.ping()
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {error}") from error
    with at_once():
        return fetch_unmerged(sources.status, now).warnings


def ask_for_key(
    app: Flask, settings: Settings, keys: KeyBook, sites: SiteBook, clock: Callable[[], int]
) -> None:
    """But for what is public; or, where there is none, for one of the machine's own names."""
    names = OwnNames(settings.reporting_host)
    asks_nobody = not settings.api_auth
    needs_name = not (settings.api_auth or settings.allow_open)

    @app.before_request
    def check_key() -> None:
        if request.path in OPEN_ROUTES:
            return
        if needs_name and not names.has(request.headers.get("Host", "")):
            raise InvalidInput("unknown_host", UNKNOWN_HOST, status=403)
        if is_open(request.path):
            return
        needed = Kind.ADMIN if is_admin(request.path) else Kind.READ
        header = request.headers.get("Authorization", "")
        visitor = None if header.strip() or asks_nobody else sites.visitor(PUBLIC_ROUTES)
        g.caller = visitor or keys.caller(header, clock(), needed)
        if needed is Kind.ADMIN and not settings.api_auth:
            check_from_here(request, settings)
        if request.path == METRICS and g.caller.sites:
            raise all_sites(g.caller.sites)
