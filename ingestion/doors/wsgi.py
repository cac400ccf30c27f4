"""The door for WSGI servers: the one module that knows what is in `environ`.

There `X_Real_IP` has the key of `X-Real-IP`: the server, or a proxy, has to drop such names.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from flask import Flask, Response
from flask import request as flask_request
from werkzeug.http import HTTP_STATUS_CODES

from ingestion.door import Door
from ingestion.doors.patience import Patience
from ingestion.protocols.protocol import Answer, Protocol
from ingestion.reading.body import incomplete, too_slow
from ingestion.reading.request import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STATUS_LINES = {
    status: f"{status} {phrase.upper()}" for status, phrase in HTTP_STATUS_CODES.items()
}


PATIENCE = Patience()


class EnvironKeys(dict[str, str]):
    """A header's key in `environ` by its name; each is made once, for the door asks by the
    ten thousand a second."""

    def __missing__(self, name: str) -> str:
        key = self[name] = environ_key(name)
        return key


def environ_key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


ENVIRON_KEYS = EnvironKeys({"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"})


class Environ(msgspec.Struct, frozen=True, gc=False):
    """Headers and body of one request, read from where they are: nothing is copied."""

    values: "WSGIEnvironment"

    def get(self, name: str, /) -> str | None:
        value: str | None = self.values.get(ENVIRON_KEYS[name])
        return value

    def read(self, size: int) -> bytes:
        environ = self.values
        if not environ.get("CONTENT_LENGTH") and not environ.get("wsgi.input_terminated"):
            return b""  # there is no body, or none whose end the server would tell
        connection = environ.get("gunicorn.socket")
        reading = PATIENCE.begin(connection) if connection is not None else None
        is_late = False
        try:
            body: bytes = environ["wsgi.input"].read(size)
        except Exception as error:  # each server has its own for broken chunks
            raise incomplete() from error
        finally:
            if reading is not None:
                is_late = PATIENCE.end(reading)
        if is_late:
            raise too_slow()
        return body


def request_from(environ: "WSGIEnvironment") -> Request:
    values = Environ(environ)
    return Request(
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        environ.get("QUERY_STRING", ""),
        values,
        environ.get("REMOTE_ADDR"),
        values.read,
    )


def with_short_path(door: Door, otherwise: "WSGIApplication") -> "WSGIApplication":
    """An application that answers the protocols' routes itself, before any routing or framework,
    just as the Flask views do."""
    protocol_at = door.protocol_at

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        protocol = protocol_at(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if protocol is None:
            return otherwise(environ, start_response)
        answer = door.receive(protocol, request_from(environ))
        start_response(STATUS_LINES[answer.status], answer.headers)
        return [answer.body]

    return wsgi_app


def add_protocol_routes(app: Flask, door: Door) -> None:
    """The same routes for Flask, which knows all of a service's, and answers the other methods."""
    for protocol in door.protocols:
        for path in protocol.paths:
            add_route(app, door, protocol, path)


def add_route(app: Flask, door: Door, protocol: Protocol, path: str) -> None:
    def view() -> Response:
        answer = answer_to(door, protocol, request_from(flask_request.environ))
        return Response(answer.body, answer.status, answer.headers)

    # Flask's own answer to OPTIONS is for those that nobody asks before: no browser takes it for
    # a permission. HEAD comes with GET.
    methods = [protocol.method, "OPTIONS"] if protocol.preflight else [protocol.method]
    app.add_url_rule(path, f"{protocol.name} {path}", view, methods=methods)


def answer_to(door: Door, protocol: Protocol, request: Request) -> Answer:
    """The answer to a request by any method that the protocol knows."""
    if request.method == "OPTIONS":
        return door.preflight(protocol, request)
    if request.method == "HEAD" and protocol.head:
        return door.whole(protocol.head, request)
    return door.receive(protocol, request)
