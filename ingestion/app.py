"""The ingestion service: a Flask application whose hottest routes skip Flask."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import redis
from flask import Flask, Response, request

from ingestion.door import Door
from ingestion.doors.wsgi import add_protocol_routes, request_from, with_short_path
from ingestion.openapi import describe
from ingestion.own_paths import check_own_paths
from ingestion.telemetry import BacklogCollector
from ingestion.tracker.routes import add_tracker_routes
from shared.clock import now_ms
from shared.errors import Unavailable
from shared.http.paths import below
from shared.http.web import add_common_routes
from shared.keys.keys import Kind, all_sites
from shared.queue.durability import check_durability
from shared.queue.event_queue import EventQueue
from shared.queue.faults import explained
from shared.queue.push_command import NotTaken
from shared.settings import Settings

# Connecting included, a dead Redis is reported well within a second.
QUEUE_TIMEOUT_SECONDS = 0.5


class Ingestion(Flask):
    """The application, and the door that it hands events through."""

    door: Door


def create_app(settings: Settings, clock: Callable[[], int] = now_ms) -> Ingestion:
    """The application. Connects to nothing until the first request. Raises BadSetting."""
    check_own_paths(settings)
    app = Ingestion("ingestion", static_folder=None)
    queue = EventQueue(settings, timeout_seconds=QUEUE_TIMEOUT_SECONDS)
    app.door = Door(settings, queue, clock)
    add_common_routes(
        app,
        describe(settings.event_path, settings.tracker_path),
        lambda: check_ready(app.door),
        BacklogCollector(queue, app.door.spool.used_bytes),
        settings.public_ingestion_url,
    )
    ask_for_key(app, settings.api_auth)
    add_protocol_routes(app, app.door)
    add_tracker_routes(app, settings.tracker_path, settings.event_path)
    note_strays(app)
    flasks = below(settings.ingestion_prefix, app.wsgi_app)
    app.wsgi_app = with_short_path(app.door, flasks)  # type: ignore[assignment, method-assign]
    return app


def ask_for_key(app: Ingestion, api_auth: str) -> None:
    """Of whoever asks for numbers, as reporting does."""

    @app.before_request
    def check_key() -> None:
        # A method that it has not is told so, whoever asks.
        if api_auth and request.path == "/metrics" and request.routing_exception is None:
            header = request.headers.get("Authorization")
            key = app.door.sites.caller(header, Kind.READ, app.door.clock())
            if key.sites:
                raise all_sites(key.sites)


def note_strays(app: Ingestion) -> None:
    """Of what comes to no route, whoever looks on is told as well."""

    @app.after_request
    def note(response: Response) -> Response:
        if response.status_code == HTTPStatus.NOT_FOUND:
            app.door.note_stray(request_from(request.environ))
        return response


def check_ready(door: Door) -> Sequence[str]:
    """Tries what an event needs, and tells what the operator should know all the same. Raises
    Unavailable where none would be accepted, or none kept."""
    queue, spool = door.queue, door.spool
    now = door.clock()
    warnings = [*door.senders.warnings(now), *door.sites.warnings(now)]
    problem = None
    try:
        # First: a Redis that is loading says that it has no append-only file.
        queue.push([])
        problem = check_durability(queue.redis)
    except (Unavailable, redis.RedisError) as error:
        refusal = refusal_from(error, queue.address)
        # What is wrong with its settings no time will mend; what waits for workers they will.
        if not is_passing(error) or not spool.is_of_use():
            raise refusal from error
        warnings.append(f"events are kept in the spool: {refusal}")
    if problem:
        raise Unavailable("queue_not_durable", problem)
    if size := spool.used_bytes():
        warnings.append(f"{size} bytes of events wait in the spool, {spool.root}, for Redis")
    return warnings


def refusal_from(error: Unavailable | redis.RedisError, address: str) -> Unavailable:
    if isinstance(error, Unavailable):
        return Unavailable(error.code, f"{address}: {error}")
    return Unavailable("queue_unavailable", f"{address}: {explained(error)}")


def is_passing(error: Unavailable | redis.RedisError) -> bool:
    """Whether events are kept meanwhile, where there is a spool."""
    return isinstance(error, NotTaken | redis.RedisError)
