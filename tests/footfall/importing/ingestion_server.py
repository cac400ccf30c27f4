"""The real door of ingestion behind HTTP, and what it was sent."""

import io
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from ingestion.app import Ingestion
from ingestion.protocols.posted import POST_EVENTS
from ingestion.protocols.protocol import Answer
from ingestion.reading.request import Request as DoorRequest

Hook = Callable[[int], None]


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes
    # The client's port: requests of one connection have the same.
    port: int


class Server(ThreadingHTTPServer):
    """Takes it calmly when an importer is killed before it has its answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class IngestionServer:
    """The real door behind HTTP. It may be told to give other answers first, and to start late."""

    def __init__(self, app: Ingestion) -> None:
        self.app = app
        self.requests: list[Request] = []
        self.canned: list[Answer] = []
        self.on_request: Hook = lambda _: None
        self.server = Server(("127.0.0.1", 0), self.handler(), bind_and_activate=False)
        self.server.server_bind()
        self.thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def start(self) -> None:
        self.server.server_activate()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        if self.thread is not None:
            self.server.shutdown()
            self.thread.join()
        self.server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        self.on_request(len(self.requests))
        if self.canned:
            return self.canned.pop(0)
        headers = {name.lower(): value for name, value in request.headers.items()}
        read = io.BytesIO(request.body).read
        asked = DoorRequest("POST", request.path, "", headers, None, read)
        return self.app.door.receive(POST_EVENTS, asked)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                port = self.client_address[1]
                answer = ours.answer(Request(self.path, dict(self.headers), body, port))
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def canned(status: str, body: bytes = b"", **headers: str) -> Answer:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Answer(int(status[:3]), [("Content-Length", str(len(body))), *named], body)
