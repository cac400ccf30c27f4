"""The door: one request in, one push to the queue, one answer out.

Whatever the protocol and the server, `Door.receive` is the way in. An event is accepted when the
push has returned, and only then is 202 answered. All else is done without waiting for anybody, but
for the visitors' salt once a day: a door that pushes otherwise calls `read`, `answer` and `refuse`.
"""

from collections.abc import Callable

from ingestion.cors import cors_headers
from ingestion.protocols.protocol import Answer, Outcome, Protocol, Refusal
from ingestion.reading.aliases import Aliases
from ingestion.reading.body import MAX_EVENT_BYTES, event_too_large
from ingestion.reading.request import Request, check_query, utf8_text
from ingestion.reading.schema import EventIds, Visit, event_from
from ingestion.reading.values import holds_nul
from ingestion.telemetry import count_answer, count_events
from ingestion.visitor.countries import code_from, country_of, open_countries
from ingestion.visitor.visitors import Salts, asks_for_visitors, browser_from
from shared.errors import InvalidInput, Unavailable
from shared.event import encode_event
from shared.fields import MAX_USER_AGENT
from shared.http.auth import is_authorised
from shared.queue.event_queue import EventQueue
from shared.settings import Settings


class Door:
    """Validates what arrives and hands it to the queue."""

    def __init__(self, settings: Settings, queue: EventQueue, clock: Callable[[], int]) -> None:
        self.queue = queue
        self.clock = clock
        self.make_id = EventIds()
        self.salts = Salts(queue)
        self.default_site_id = settings.default_site_id or None
        self.api_auth = settings.api_auth if settings.ingest_auth else ""
        self.country_header = settings.country_header.lower()
        self.countries = open_countries(settings.country_database)
        self.address_header = settings.address_header.lower()
        origins = frozenset(settings.cors_origins)
        self.cors_origins = frozenset[str]() if "*" in origins else origins

    def receive(self, protocol: Protocol, request: Request) -> Answer:
        """The answer to a request that hands over events."""
        try:
            outcome = self.read(protocol, request)
            if outcome.encoded:
                self.queue.push(outcome.encoded)
        except (InvalidInput, Unavailable) as error:
            return self.refuse(protocol, request, error)
        return self.answer(protocol, request, outcome)

    def read(self, protocol: Protocol, request: Request) -> Outcome:
        """What a request's events become, ready to be pushed.

        Raises InvalidInput for a request or a single event that is refused, and Unavailable.
        """
        key = self.api_auth
        if key and not is_authorised(request.headers.get("authorization"), key):
            raise InvalidInput("unauthorized", "a valid API key is required", status=401)
        if request.query:
            check_query(request.query)
        payload = protocol.read(request)
        visit = self.visit(request)
        encoded: list[bytes] = []
        rejected: list[tuple[int, InvalidInput]] = []
        for index, raw in enumerate(payload.events):
            try:
                encoded.append(self.encoded(raw, visit, protocol.aliases, payload.may_hold_nul))
            except InvalidInput as error:
                if not payload.is_batch:
                    raise
                rejected.append((index, error))
        return Outcome(encoded, rejected, payload.is_batch)

    def encoded(self, raw: object, visit: Visit, aliases: Aliases, may_hold_nul: bool) -> bytes:
        """The event as it will wait in the buffer. Raises InvalidInput."""
        if isinstance(raw, InvalidInput):
            raise raw
        try:
            if may_hold_nul and holds_nul(raw):
                raise InvalidInput("nul_character", "an event must not contain NUL characters")
            encoded = encode_event(event_from(raw, visit, self.make_id, aliases))
        except RecursionError:  # decoded in C, it may still be too deep for Python to walk
            raise InvalidInput("too_deep", "the event is nested too deeply") from None
        if len(encoded) > MAX_EVENT_BYTES:
            raise event_too_large()
        return encoded

    def visit(self, request: Request) -> Visit:
        """What the request itself says of the visitor. Raises InvalidInput."""
        user_agent = request.headers.get("user-agent")
        if user_agent and (len(user_agent) > MAX_USER_AGENT or not user_agent.isascii()):
            user_agent = utf8_text(user_agent)[:MAX_USER_AGENT]
        country = None
        if self.country_header:
            country = code_from(request.headers.get(self.country_header))
        if self.countries and not country:
            country = country_of(self.countries, self.address_of(request))
        now = self.clock()
        browser = None
        if request.query and asks_for_visitors(request.query):
            browser = browser_from(self.salts, self.address_of(request), now)
        return Visit(now, user_agent or None, country, self.default_site_id, browser)

    def address_of(self, request: Request) -> str | None:
        """Of whoever sent the request; it is read, used and forgotten."""
        return request.headers.get(self.address_header) if self.address_header else request.peer

    def answer(self, protocol: Protocol, request: Request, outcome: Outcome) -> Answer:
        """The answer to a request whose events, if any, are in the queue."""
        if outcome.encoded:
            count_events(len(outcome.encoded))
        count_answer(outcome.status)
        return self.whole(protocol.answer(outcome), request)

    def refuse(self, protocol: Protocol, request: Request, error: Refusal) -> Answer:
        """The answer to a request of which nothing is in the queue."""
        count_answer(error.status)
        return self.whole(protocol.refuse(error), request)

    def preflight(self, protocol: Protocol, request: Request) -> Answer:
        """The answer to a browser that asks whether a page may post."""
        cors = cors_headers(self.cors_origins, request.headers.get("origin"))
        return Answer(204, [*cors, *protocol.preflight])

    def whole(self, answer: Answer, request: Request) -> Answer:
        """An answer with what every protocol's has: its length, and which pages may read it."""
        # Without its length, a server would send the answer in chunks.
        length = ("Content-Length", str(len(answer.body)))
        cors = cors_headers(self.cors_origins, request.headers.get("origin"))
        return Answer(answer.status, [*answer.headers, length, *cors], answer.body)
