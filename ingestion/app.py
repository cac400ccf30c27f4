"""The ingestion service: a Flask application whose hottest routes skip Flask."""

from collections.abc import Callable, Sequence

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
from shared.queue.event_queue import EventQueue, check_durability
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
    add_common_routes(
        app,
        OPENAPI,
        lambda: check_ready(app.door),
        BacklogCollector(queue, app.door.spool.used_bytes),
    )
    add_protocol_routes(app, app.door)
    add_tracker_routes(app)
    app.wsgi_app = with_short_path(app.door, app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app


def check_ready(door: Door) -> Sequence[str]:
    """What the operator should know. Raises Unavailable where events could not be accepted, or not
    kept."""
    queue, spool = door.queue, door.spool
    warnings = [*door.senders.warnings(door.clock())]
    try:
        problem = check_durability(queue.redis)
    except redis.RedisError as error:
        reason = f"{queue.address}: {explained(error)}"
        if not spool.has_room():
            raise Unavailable("queue_unavailable", reason) from error
        warnings.append(f"events are kept in the spool, for Redis does not take them: {reason}")
    else:
        if problem:
            raise Unavailable("queue_not_durable", problem)
    if size := spool.used_bytes():
        warnings.append(f"{size} bytes of events wait in the spool, {spool.root}, for Redis")
    return warnings
