"""The page with the three buttons: a small server for this machine, for developing and for demos.

It is no part of ingestion or reporting: who can reach it can put the machine under load. So it
listens on loopback alone, and answers only who asks for it by a name of loopback: a page from
elsewhere can neither press its buttons nor read it.
"""

import socket
import threading
from pathlib import Path

import click
from flask import Flask, Response, abort, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from footfall.load.errors import CannotLoad
from footfall.load.page.buttons import BUTTONS, Buttons
from footfall.load.target import Target
from footfall.run.services import base_url
from footfall.run.signals import Signals
from shared.settings import Settings

HOST = "127.0.0.1"
FILES = Path(__file__).with_name("static")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "default-src 'self'; frame-ancestors 'none'"
TICK_SECONDS = 60.0


def create_page(buttons: Buttons, port: int, dashboard: str) -> Flask:
    """The application; `dashboard` is where reporting is."""
    app = Flask("load", static_folder=None)
    files = {path.name: path.read_bytes() for path in FILES.iterdir()}
    names = {f"{HOST}:{port}", f"localhost:{port}"}

    @app.before_request
    def refuse_others() -> None:
        # A name that resolves to this machine for a while would make a stranger's page ours.
        if request.host not in names:
            abort(403)
        # No form sends JSON, and a script from elsewhere may not.
        if request.method == "POST" and not request.is_json:
            abort(415)

    @app.after_request
    def restrict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/", defaults={"name": "index.html"})
    @app.get("/<name>")
    def file(name: str) -> Response:
        if name not in files:
            abort(404)
        return Response(files[name], content_type=TYPES[Path(name).suffix])

    @app.get("/health")
    def health() -> Response:
        return jsonify({"status": "ok"})

    @app.get("/state")
    def state() -> Response:
        return jsonify(buttons.state() | {"dashboard": dashboard})

    @app.post("/start")
    def start() -> Response:
        rate = request.get_json().get("rate")
        if rate not in BUTTONS:
            abort(400)
        if not buttons.start(rate):
            abort(409)
        return state()

    @app.post("/stop")
    def stop() -> Response:
        buttons.stop()
        return state()

    return app


class Quiet(WSGIRequestHandler):
    """The page asks twice a second; a line for each would bury all else."""

    def log_request(self, *_: object) -> None:
        pass


def serve_page(settings: Settings, target: Target, reporting: Target, port: int) -> None:
    """Serve the page until a signal. Raises CannotLoad where the port is taken."""
    buttons = Buttons(settings, target, reporting)
    dashboard = base_url(reporting.host, reporting.port) + reporting.path
    signals = Signals()
    signals.listen()
    with listening(port) as listener:
        server = make_server(
            HOST,
            port,
            create_page(buttons, port, dashboard),
            threaded=True,
            request_handler=Quiet,
            fd=listener.fileno(),
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        click.echo(f"the page with the buttons: http://{HOST}:{port}/")
        while not signals.stop_requested:
            signals.wait(TICK_SECONDS)
        server.shutdown()
        thread.join()
        server.server_close()
    buttons.close()


def listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise CannotLoad(f"--page-port: cannot listen on port {port}: {error.strerror}") from error
    return listener
