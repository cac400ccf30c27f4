"""Requests to the application as a server hands them over, without a server."""

import io
import json
import re
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.datastructures import Headers

from ingestion.app import Ingestion
from shared.event import Event, decode_event
from shared.queue.event_queue import EventQueue

ONE = {"site_id": "site-1", "event_type": "page_view"}


class Answer(NamedTuple):
    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def make_environ(body: bytes, path: str = "/event", **extra: Any) -> dict[str, Any]:
    """What PEP 3333 asks for, and `extra` in place of it: `HTTP_ORIGIN=...`."""
    path, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **extra,
    }


def call(app: Ingestion, environ: dict[str, Any], *, through_flask: bool = False) -> Answer:
    """The answer as a server gets it; `through_flask` leaves the short path out."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append((status, headers))

    if through_flask:
        parts = Flask.wsgi_app(app, environ, start_response)
    else:
        parts = app.wsgi_app(environ, start_response)
    body = b"".join(parts)
    [(status, headers)] = started
    return Answer(int(status[:3]), Headers(headers), body)


def post(app: Ingestion, body: object, path: str = "/event", **extra: Any) -> Answer:
    """POST bytes as they are, and anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return call(app, make_environ(data, path, **extra))


def number(text: str, name: str) -> float:
    """The value of a series in Prometheus text; 0 where it is not there."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0


def answers_counted(app: Ingestion, *statuses: int) -> list[float]:
    """How many answers /metrics has counted under each status, in this process so far."""
    # Any key will do where none is asked for.
    text = app.test_client().get("/metrics", headers={"Authorization": "key"}).text
    series = [f'footfall_ingestion_answers_total{{status="{status}"}}' for status in statuses]
    return [number(text, name) for name in series]


def queued(queue: EventQueue) -> list[Event]:
    """The events in the buffer, the oldest first."""
    return [decode_event(payload) for payload in payloads(queue)]


def payloads(queue: EventQueue) -> list[bytes]:
    found: Any = queue.redis.lrange(queue.buffer, 0, -1)
    return list(found)
