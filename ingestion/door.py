"""The door: one request in, one push to the queue, one answer out.

Both the short path and the Flask view call `Door.receive`; there is no second way in. An event is
accepted when the push has returned, and only then is 202 answered.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ingestion.cors import cors_headers
from ingestion.reading.body import Payload, payload_from, read_body
from ingestion.reading.schema import EventIds, Visit, event_from
from ingestion.telemetry import count_answer, count_events
from ingestion.visitor.countries import code_from, country_of, open_countries
from ingestion.visitor.visitors import Salts, asks_for_visitors, browser_from
from shared.errors import InvalidInput, Unavailable
from shared.event import encode_event
from shared.fields import MAX_USER_AGENT
from shared.http.auth import is_authorised
from shared.queue.event_queue import EventQueue
from shared.settings import Settings

MAX_EVENT_BYTES = 32 * 1024
ACCEPTED = b'{"status":"accepted"}'
JSON_HEADER = ("Content-Type", "application/json")

encode_json = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """An HTTP answer, before any server or framework."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Outcome(NamedTuple):
    """What a request's events became: encoded ones to push, and errors by their index."""

    encoded: list[bytes]
    rejected: list[dict[str, object]]


class Door:
    """Validates what arrives and hands it to the queue."""

    def __init__(self, settings: Settings, queue: EventQueue, clock: Callable[[], int]) -> None:
        self.queue = queue
        self.clock = clock
        self.make_id = EventIds()
        self.salts = Salts(queue)
        self.default_site_id = settings.default_site_id or None
        self.api_auth = settings.api_auth if settings.ingest_auth else ""
        self.country_key = environ_key(settings.country_header)
        self.countries = open_countries(settings.country_database)
        self.address_key = environ_key(settings.address_header) or "REMOTE_ADDR"
        origins = frozenset(settings.cors_origins)
        self.cors_origins = frozenset[str]() if "*" in origins else origins

    def receive(self, environ: Mapping[str, Any]) -> Answer:
        """The answer to POST /event and /events."""
        try:
            if self.api_auth and not is_authorised(
                environ.get("HTTP_AUTHORIZATION"), self.api_auth
            ):
                raise InvalidInput("unauthorized", "a valid API key is required", status=401)
            body = read_body(environ)
            payload = payload_from(body, environ.get("CONTENT_TYPE") or "")
            status, answer = self.accept(payload, self.visit(environ), b"\\u0000" in body)
        except InvalidInput as error:
            return self.refusal(environ, STATUS_LINES[error.status], error.as_dict())
        except Unavailable as error:
            described = {"code": error.code, "error": error.message}
            retry_after = ("Retry-After", str(error.retry_after_seconds))
            return self.refusal(environ, STATUS_LINES[503], described, retry_after)
        count_answer(status)
        return Answer(status, self.headers(environ, answer), answer)

    def accept(self, payload: Payload, visit: Visit, may_hold_nul: bool) -> tuple[str, bytes]:
        """Push the valid events. Raises InvalidInput for a single bad one, and Unavailable."""
        outcome = self.outcome_of(payload, visit, may_hold_nul)
        if outcome.encoded:
            self.queue.push(outcome.encoded)
            count_events(len(outcome.encoded))
        if not payload.is_batch:
            return STATUS_LINES[202], ACCEPTED
        counts = {"accepted": len(outcome.encoded), "rejected": outcome.rejected}
        if outcome.encoded:
            return STATUS_LINES[202], encode_json({"status": "accepted"} | counts)
        first = outcome.rejected[0]
        refused = {"status": "error", "code": first["code"], "error": "no event was accepted"}
        return STATUS_LINES[400], encode_json(refused | counts)

    def outcome_of(self, payload: Payload, visit: Visit, may_hold_nul: bool) -> Outcome:
        encoded: list[bytes] = []
        rejected: list[dict[str, object]] = []
        for index, raw in enumerate(payload.events):
            try:
                encoded.append(self.encoded(raw, visit, may_hold_nul))
            except InvalidInput as error:
                if not payload.is_batch:
                    raise
                rejected.append({"index": index, **error.as_dict()})
        return Outcome(encoded, rejected)

    def encoded(self, raw: object, visit: Visit, may_hold_nul: bool) -> bytes:
        """The event as it will wait in the buffer. Raises InvalidInput."""
        if isinstance(raw, InvalidInput):
            raise raw
        try:
            if may_hold_nul and holds_nul(raw):
                raise InvalidInput("nul_character", "an event must not contain NUL characters")
            encoded = encode_event(event_from(raw, visit, self.make_id))
        except RecursionError:  # decoded in C, it may still be too deep for Python to walk
            raise InvalidInput("too_deep", "the event is nested too deeply") from None
        if len(encoded) > MAX_EVENT_BYTES:
            raise InvalidInput(
                "too_large", f"an event must have at most {MAX_EVENT_BYTES} bytes", status=413
            )
        return encoded

    def visit(self, environ: Mapping[str, Any]) -> Visit:
        """What the request itself says of the visitor. Raises InvalidInput."""
        user_agent = environ.get("HTTP_USER_AGENT")
        if user_agent and (len(user_agent) > MAX_USER_AGENT or not user_agent.isascii()):
            user_agent = header_text(user_agent)[:MAX_USER_AGENT]
        country = code_from(environ.get(self.country_key)) if self.country_key else None
        if self.countries and not country:
            country = country_of(self.countries, environ.get(self.address_key))
        now = self.clock()
        browser = None
        query = environ.get("QUERY_STRING")
        if query and asks_for_visitors(query):
            browser = browser_from(self.salts, environ.get(self.address_key), now)
        return Visit(now, user_agent or None, country, self.default_site_id, browser)

    def headers(self, environ: Mapping[str, Any], body: bytes) -> list[tuple[str, str]]:
        # Without its length, a server would send the answer in chunks.
        length = ("Content-Length", str(len(body)))
        return [JSON_HEADER, length, *cors_headers(self.cors_origins, environ.get("HTTP_ORIGIN"))]

    def refusal(
        self,
        environ: Mapping[str, Any],
        status: str,
        described: Mapping[str, str],
        *headers: tuple[str, str],
    ) -> Answer:
        count_answer(status)
        body = encode_json({"status": "error", **described})
        return Answer(status, [*self.headers(environ, body), *headers], body)


STATUS_LINES = {
    202: "202 ACCEPTED",
    400: "400 BAD REQUEST",
    401: "401 UNAUTHORIZED",
    413: "413 REQUEST ENTITY TOO LARGE",
    415: "415 UNSUPPORTED MEDIA TYPE",
    503: "503 SERVICE UNAVAILABLE",
}


def environ_key(header: str) -> str:
    """`CF-IPCountry` as WSGI names it; empty stays empty."""
    return "HTTP_" + header.upper().replace("-", "_") if header else ""


def header_text(value: str) -> str:
    """A header's bytes, which WSGI hands over as Latin-1, read as the UTF-8 they mostly are."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def holds_nul(value: object) -> bool:
    """Whether a NUL character stands anywhere in decoded JSON: MySQL and C would cut there."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(holds_nul(k) or holds_nul(v) for k, v in value.items())
    return isinstance(value, list) and any(map(holds_nul, value))
