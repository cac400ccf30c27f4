"""What both HTTP services have in common: JSON errors, health, metrics, the API's description."""

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import flask
from flask import Flask, Response, jsonify, render_template_string, request
from markupsafe import escape
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.registry import REGISTRY, Collector
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as BaseResponse

from shared.errors import InvalidInput, Unavailable
from shared.http.openapi import JSON_TYPE
from shared.http.paths import links_up, with_plain_paths

# What tells how the API is used, and no number.
DESCRIPTION_PATHS = ("/openapi.json", "/docs")
SCHEME = re.compile("https?")
HOST = re.compile(r"(\[[0-9A-Fa-f:]+\]|[0-9A-Za-z.-]+)(:[0-9]+)?")
PREFIX = re.compile(r"(?:/[\w.~-]+)*/?", re.ASCII)
DOCS_PAGE = Path(__file__).with_name("docs_page.html")
# The page has its styles inline and no script at all.
DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

Described = tuple[Response, int]


def address_asked(default: str) -> str:
    """Under which this client reaches the service, as far as it and a proxy tell; it is only shown
    to itself."""
    host = forwarded("Host", HOST) or request.host
    if not HOST.fullmatch(host):
        return default
    scheme = forwarded("Proto", SCHEME) or request.scheme
    prefix, left_on = forwarded("Prefix", PREFIX).rstrip("/"), request.script_root
    # Some proxies tell of the path that they leave on, too.
    return f"{scheme}://{host}{prefix if prefix.endswith(left_on) else prefix + left_on}"


def forwarded(name: str, pattern: re.Pattern[str]) -> str:
    """What the outermost proxy has said in such a header, if that is what may be shown."""
    value = request.headers.get(f"X-Forwarded-{name}", "").partition(",")[0].strip()
    return value if pattern.fullmatch(value) else ""


def error_answer(status: int, code: str, message: str, field: str | None = None) -> Described:
    body = {"status": "error", "code": code, "error": message}
    if field is not None:
        body["field"] = field
    return jsonify(body), status


def answer_invalid_input(error: InvalidInput) -> Described:
    return error_answer(error.status, error.code, error.message, error.field)


def answer_unavailable(error: Unavailable) -> Described:
    response, status = error_answer(503, error.code, error.message)
    response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response, status


def answer_http_exception(error: HTTPException) -> BaseResponse:
    """Flask's own errors (404, 405, a bug's 500) in the shape of ours, their headers kept."""
    code = error.name.lower().replace(" ", "_")
    response = error.get_response()
    body = {"status": "error", "code": code, "error": error.description}
    response.set_data(flask.json.dumps(body))
    response.content_type = "application/json"
    return response


def metrics_text(collectors: CollectorRegistry) -> bytes:
    """Prometheus text: this service's counters, summed over its processes, and `collectors`."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # prometheus_client's own variable
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(collectors)


def add_common_routes(
    app: Flask,
    openapi: dict[str, Any],
    ready: Callable[[], Sequence[str]],
    collector: Collector,
    public_url: str = "",
) -> None:
    """Health, readiness, metrics and documentation; to be called before the other routes are added.

    `ready` raises Unavailable with the reason, or returns what the operator should know all the
    same; `collector` reads what Redis or SQL know. `public_url` is where clients reach the service,
    for what is copied from its description; empty: as each asked.
    """
    app.wsgi_app = with_plain_paths(app)  # type: ignore[assignment, method-assign]
    default = openapi["servers"][0]["url"]

    @cache
    def openapi_text() -> str:
        return jsonify(openapi).get_data(as_text=True)

    def address() -> str:
        return public_url.rstrip("/") or address_asked(default)

    collectors = CollectorRegistry()
    collectors.register(collector)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers keep the contract's order
    app.register_error_handler(InvalidInput, answer_invalid_input)
    app.register_error_handler(Unavailable, answer_unavailable)
    app.register_error_handler(HTTPException, answer_http_exception)

    @app.before_request
    def check_method() -> None:
        """`post` is another than `POST`, which Werkzeug would take it for, and has no body here."""
        if request.url_rule and request.environ["REQUEST_METHOD"] != request.method:
            raise MethodNotAllowed(request.url_rule.methods)

    @app.get("/health")
    def health() -> Response:
        return jsonify({"status": "ok"})

    @app.get("/ready")
    def readiness() -> Response:
        warnings = ready()
        return jsonify({"status": "ready"} | ({"warnings": warnings} if warnings else {}))

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(metrics_text(collectors), content_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    def openapi_json() -> Response:
        # No address has a sign that JSON would escape.
        text = openapi_text().replace(default, address())
        return Response(text, headers={"Content-Type": JSON_TYPE, "Cache-Control": "no-store"})

    @app.get("/docs")
    def docs() -> Response:
        page = render_template_string(
            DOCS_PAGE.read_text(encoding="utf-8"), spec=openapi, up=links_up(request.environ)
        )
        return Response(
            page.replace(default, str(escape(address()))),
            headers={"Content-Security-Policy": DOCS_POLICY, "Cache-Control": "no-store"},
        )
