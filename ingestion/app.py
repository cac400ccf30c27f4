"""The ingestion service: a Flask application whose hottest route skips Flask."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import redis
from flask import Flask, Response, request

from ingestion.cors import PREFLIGHT, cors_headers
from ingestion.door import Door
from ingestion.openapi import OPENAPI
from ingestion.reading.body import Payload
from ingestion.reading.schema import PAGE_NAMES
from ingestion.telemetry import BacklogCollector
from ingestion.tracker.routes import add_tracker_routes
from ingestion.visitor.visitors import PARAMETER
from shared.clock import now_ms
from shared.errors import InvalidInput, Unavailable
from shared.fields import MAX_TEXT
from shared.http.web import add_common_routes
from shared.queue.event_queue import EventQueue, check_durability
from shared.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

EVENT_ROUTES = frozenset({"/event", "/events"})
# Connecting included, a dead Redis is reported well within a second.
QUEUE_TIMEOUT_SECONDS = 0.5
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)


class Ingestion(Flask):
    """Answers POST /event before Flask's routing, with the function that the Flask view calls."""

    door: Door

    def wsgi_app(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] in EVENT_ROUTES:
            status, headers, body = self.door.receive(environ)
            start_response(status, headers)
            return [body]
        return super().wsgi_app(environ, start_response)


def create_app(settings: Settings, clock: Callable[[], int] = now_ms) -> Ingestion:
    """The application. Connects to nothing until the first request."""
    app = Ingestion("ingestion", static_folder=None)
    queue = EventQueue(settings, timeout_seconds=QUEUE_TIMEOUT_SECONDS)
    app.door = Door(settings, queue, clock)
    add_common_routes(app, OPENAPI, lambda: check_ready(queue), BacklogCollector(queue))
    add_event_routes(app)
    add_tracker_routes(app)
    return app


def check_ready(queue: EventQueue) -> None:
    """Raises Unavailable where events could not be accepted, or not kept."""
    try:
        problem = check_durability(queue.redis)
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {error}") from error
    if problem:
        raise Unavailable("queue_not_durable", problem)


def add_event_routes(app: Ingestion) -> None:
    door = app.door

    # Flask's own answer to OPTIONS would come first, and no browser takes it for a permission.
    @app.post("/event", endpoint="event", provide_automatic_options=False)
    @app.post("/events", endpoint="events", provide_automatic_options=False)
    def receive() -> Response:
        status, headers, body = door.receive(request.environ)
        return Response(body, status, headers)

    @app.route("/event", methods=["OPTIONS"], endpoint="preflight_event")
    @app.route("/events", methods=["OPTIONS"], endpoint="preflight_events")
    def preflight() -> Response:
        allowed = cors_headers(door.cors_origins, request.headers.get("Origin"))
        return Response(status=204, headers=[*allowed, *PREFLIGHT])

    @app.get("/pixel.gif")
    def pixel() -> Response:
        """Answers the image whatever comes: a page must not show a broken one for our sake."""
        # A HEAD is a link checker's or a proxy's; nobody has seen the page.
        outcome = outcome_of_pixel(door) if request.method == "GET" else "not_counted"
        headers = {"Cache-Control": "no-store", "X-Footfall": outcome}
        return Response(PIXEL, content_type="image/gif", headers=headers)


def outcome_of_pixel(door: Door) -> str:
    """Count the event an image request stands for; returns `accepted` or the error's code."""
    given = request.args.items()
    fields: dict[str, Any] = {k: v for k, v in given if v and k != PARAMETER}
    page = request.headers.get("Referer", "")[:MAX_TEXT]
    # The page that shows the image is what was viewed, unless the image says otherwise.
    if page and not fields.keys() & PAGE_NAMES:
        fields["path"] = page
    try:
        door.accept(Payload([fields], False), door.visit(request.environ), may_hold_nul=True)
    except (InvalidInput, Unavailable) as error:
        return error.code
    return "accepted"
