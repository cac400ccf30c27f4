"""What the door is compared with: the least a server can do, the least Flask can, RQ's own way."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import redis
from flask import Flask, request
from rq import Queue
from rq.serializers import JSONSerializer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol
    from granian.rsgi import Scope

ACCEPTED = b'{"status":"accepted"}'


def bare(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """A WSGI function that reads nothing and says yes."""
    start_response("202 ACCEPTED", [("Content-Type", "application/json")])
    return [ACCEPTED]


async def bare_rsgi(_scope: "Scope", protocol: "RSGIHTTPProtocol") -> None:
    """The same as an RSGI function."""
    protocol.response_bytes(202, [("content-type", "application/json")], ACCEPTED)


def make_noop() -> Flask:
    """A Flask view that does nothing."""
    app = Flask("noop")

    @app.post("/event")
    def event() -> tuple[dict[str, str], int]:
        return {"status": "accepted"}, 202

    return app


def make_job_per_event() -> Flask:
    """A Flask view that enqueues one RQ job for each event."""
    app = Flask("job_per_event")
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    queue = Queue("bench", connection=connection, serializer=JSONSerializer)

    @app.post("/event")
    def event() -> tuple[dict[str, str], int]:
        queue.enqueue("worker.jobs.store", request.get_json())
        return {"status": "accepted"}, 202

    return app


noop = make_noop()
job_per_event = make_job_per_event() if "REDIS_URL" in os.environ else None
