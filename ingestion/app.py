"""The ingestion service: a Flask application whose hottest routes skip Flask."""

from collections.abc import Callable

import redis
from flask import Flask

from ingestion.door import Door
from ingestion.doors.wsgi import add_protocol_routes, with_short_path
from ingestion.openapi import OPENAPI
from ingestion.telemetry import BacklogCollector
from ingestion.tracker.routes import add_tracker_routes
from shared.clock import now_ms
from shared.errors import Unavailable
from shared.http.web import add_common_routes
from shared.queue.durability import check_durability
from shared.queue.event_queue import EventQueue
from shared.queue.faults import explained
from shared.settings import Settings

# Connecting included, a dead Redis is reported well within a second.
QUEUE_TIMEOUT_SECONDS = 0.5


class Ingestion(Flask):
    """The application, and the door that it hands events through."""

    door: Door


def create_app(settings: Settings, clock: Callable[[], int] = now_ms) -> Ingestion:
    """The application. Connects to nothing until the first request."""
    app = Ingestion("ingestion", static_folder=None)
    queue = EventQueue(settings, timeout_seconds=QUEUE_TIMEOUT_SECONDS)
    app.door = Door(settings, queue, clock)
    add_common_routes(app, OPENAPI, lambda: check_ready(queue), BacklogCollector(queue))
    add_protocol_routes(app, app.door)
    add_tracker_routes(app)
    app.wsgi_app = with_short_path(app.door, app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app


def check_ready(queue: EventQueue) -> None:
    """Tries what an event needs. Raises Unavailable where none would be accepted, or none kept."""
    try:
        # First: a Redis that is loading says that it has no append-only file.
        queue.push([])
        problem = check_durability(queue.redis)
    except Unavailable as error:
        raise Unavailable(error.code, f"{queue.address}: {error}") from error
    except redis.RedisError as error:
        raise Unavailable("queue_unavailable", f"{queue.address}: {explained(error)}") from error
    if problem:
        raise Unavailable("queue_not_durable", problem)
