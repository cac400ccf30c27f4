"""The door: one request in, one push to the queue, one answer out.

Whatever the protocol and the server, `Door.receive` is the way in. An event is accepted when it is
kept, and only then is 202 answered. All else is done without waiting for anybody, but for a salt
that was not fetched ahead: a door that pushes otherwise calls `read`, `answer` and `refuse`.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter

import msgspec

from ingestion.cors import cors_headers, preflight_headers
from ingestion.delivery.delivery import ThreadDelivery
from ingestion.delivery.keeper import Keeper
from ingestion.delivery.onlookers import Onlookers, report_of
from ingestion.delivery.refused import RefusalCount, site_named
from ingestion.delivery.spool import Spool
from ingestion.limits import Limits, note_reached
from ingestion.noting import NO_ROUTE, Noting, Routes, became
from ingestion.protocols.known import finder, protocols_with
from ingestion.protocols.protocol import (
    Answer,
    LeftOut,
    Outcome,
    Protocol,
    Refusal,
    Stranger,
)
from ingestion.reading.aliases import Aliases
from ingestion.reading.body import MAX_EVENT_BYTES, event_too_large
from ingestion.reading.fetched_ahead import PREFETCH, is_fetched_ahead
from ingestion.reading.request import Request, check_query, utf8_text
from ingestion.reading.schema import EventIds, Visit, event_from
from ingestion.reading.values import holds_nul
from ingestion.sites.rules import (
    EXCLUDED,
    NOBODY,
    UNKNOWN_SITE,
    Excluded,
    Sender,
    too_many_sites,
)
from ingestion.sites.site_book import SiteBook
from ingestion.telemetry import count_answers, count_dropped
from ingestion.visitor.addresses import Address
from ingestion.visitor.countries import built_at_of, code_from, country_of, open_countries
from ingestion.visitor.salts import Salts
from ingestion.visitor.senders import Senders
from ingestion.visitor.visitors import Browser, asks_for_visitors
from shared.errors import InvalidInput, Unavailable
from shared.event import encode_event
from shared.fields import MAX_USER_AGENT
from shared.keys.keys import Key, Kind, other_site
from shared.queue.event_queue import EventQueue
from shared.queue.limits import OverLimit
from shared.queue.refusals import NO_SITE, Refused
from shared.queue.watching import DoorReport
from shared.settings import Settings

log = logging.getLogger(__name__)


class Door:
    """Validates what arrives and has it kept."""

    def __init__(self, settings: Settings, queue: EventQueue, clock: Callable[[], int]) -> None:
        self.queue = queue
        self.clock = clock
        # Told of each answer: its status, and how many events are kept now.
        self.count: Callable[[int, int], None] = count_answers
        self.protocols = protocols_with(settings.event_path)
        self.protocol_at = finder(self.protocols, settings.ingestion_prefix)
        self.make_id = EventIds()
        self.salts = Salts(queue, settings.data_dir)
        self.spool = Spool(settings.data_dir / "spool", settings.spool_max_bytes)
        self.refused = RefusalCount()
        self.sites = SiteBook(settings, queue)
        self.onlookers = Onlookers(queue, clock, partial(self.report, settings))
        self.keeper = Keeper(
            queue, self.spool, self.salts, clock, self.refused, self.sites, self.onlookers
        )
        self.delivery = ThreadDelivery(queue, self.spool, self.keeper)
        self.default_site_id = settings.default_site_id or None
        self.asks_for_key = bool(settings.api_auth) and settings.ingest_auth
        self.country_header = settings.country_header.lower()
        self.countries = open_countries(settings.country_database)
        self.senders = Senders(settings.address_header, settings.trusted_proxies)
        self.limits = Limits(settings, self.sites, self.senders, self.salts.days)
        origins = frozenset(settings.cors_origins)
        self.cors_origins = frozenset[str]() if "*" in origins else origins
        self.routes = Routes(self.protocols, settings.tracker_path, settings.ingestion_prefix)
        self.noting = Noting(self.senders, self.countries, self.country_header, self.cors_origins)

    def receive(self, protocol: Protocol, request: Request) -> Answer:
        """The answer to a request that hands over events."""
        outcome = None
        self.sites.look_first()
        try:
            outcome = self.read(protocol, request)
            if outcome.strangers:
                outcome = self.admit(outcome)
            if outcome.encoded:
                charged = self.limits.charges(outcome)
                try:
                    is_pushed = self.delivery.push(outcome.encoded, charged.charges)
                except Unavailable:
                    charged.give_back()
                    raise
                if is_pushed:
                    charged.settle()
        except (InvalidInput, Unavailable) as error:
            return self.refuse(protocol, request, error, outcome)
        return self.answer(protocol, request, outcome)

    def may_wait(self, request: Request) -> bool:
        """Whether reading it may take a round trip to Redis, for a salt not fetched ahead."""
        return bool(request.query) and not self.salts.has_current(
            self.clock(), self.sites.longer_periods
        )

    def read(self, protocol: Protocol, request: Request) -> Outcome:
        """What a request's events become, ready to be pushed.

        Raises InvalidInput for a request or a single event that is refused, and Unavailable.
        """
        now = self.clock()
        key = self.caller(request, now) if self.asks_for_key else None
        limits = self.limits.of_request(request, key, now)
        only = key.sites if key is not None else ()
        if request.query:
            check_query(request.query)
        payload = protocol.read(request)
        visit = self.visit(request, now)
        encoded: list[bytes] = []
        site_ids: list[str] = []
        rejected: list[tuple[int, InvalidInput]] = []
        dropped: list[LeftOut] = []
        strangers: list[Stranger] = []
        known = ""
        for index, raw in enumerate(payload.events):
            try:
                site_id, event = self.encoded(raw, visit, protocol.aliases, payload.may_hold_nul)
                if only and site_id not in only:
                    raise other_site(only, site_id)
                encoded.append(event)
                site_ids.append(site_id)
                if site_id == known:
                    continue
                if self.sites.is_new(site_id):
                    strangers.append(Stranger(site_id, index, len(encoded) - 1))
                else:
                    known = site_id
            except InvalidInput as error:
                named = site_named(raw, protocol.aliases, self.default_site_id)
                error.site_id, error.named = site_blamed(named, visit, error), named
                if not payload.is_batch:
                    raise
                rejected.append((index, error))
            except Excluded as error:
                dropped.append(LeftOut(error.site_id, EXCLUDED))
        if is_fetched_ahead(request.headers):
            dropped += [LeftOut(NO_SITE, PREFETCH)] * len(encoded)
            return Outcome([], rejected, payload.is_batch, dropped)
        return Outcome(encoded, rejected, payload.is_batch, dropped, strangers, site_ids, limits)

    def caller(self, request: Request, now: int) -> Key:
        """What whoever sent it may do. Raises InvalidInput for whom has no key, and Unavailable."""
        return self.sites.caller(request.headers.get("authorization"), Kind.INGEST, now)

    def admit(self, outcome: Outcome) -> Outcome:
        """The same without the events of strangers that may have none; it may take a round trip.
        Raises InvalidInput where that was the only one."""
        refused = self.sites.refused({stranger.site_id for stranger in outcome.strangers})
        out = [stranger for stranger in outcome.strangers if stranger.site_id in refused]
        if not out:
            return outcome
        most = self.sites.max_sites
        # Without a site in the receipt: this one there will not be.
        errors = [(stranger.number, too_many_sites(stranger.site_id, most)) for stranger in out]
        if not outcome.is_batch:
            raise errors[0][1]
        places = {stranger.place for stranger in out}
        kept = [place for place in range(len(outcome.encoded)) if place not in places]
        return msgspec.structs.replace(
            outcome,
            encoded=[outcome.encoded[place] for place in kept],
            site_ids=[outcome.site_ids[place] for place in kept],
            rejected=sorted([*outcome.rejected, *errors], key=itemgetter(0)),
            strangers=(),
        )

    def encoded(
        self, raw: object, visit: Visit, aliases: Aliases, may_hold_nul: bool
    ) -> tuple[str, bytes]:
        """Whose event it is, and the event as it will wait in the buffer. Raises InvalidInput and
        Excluded."""
        if isinstance(raw, InvalidInput):
            raise raw
        try:
            if may_hold_nul and holds_nul(raw):
                raise InvalidInput("nul_character", "an event must not contain NUL characters")
            event = event_from(raw, visit, self.make_id, aliases)
            encoded = encode_event(event)
        except RecursionError:  # decoded in C, it may still be too deep for Python to walk
            raise InvalidInput("too_deep", "the event is nested too deeply") from None
        if len(encoded) > MAX_EVENT_BYTES:
            raise event_too_large()
        return event.site_id, encoded

    def visit(self, request: Request, now: int) -> Visit:
        """What the request itself says of the visitor. Raises InvalidInput."""
        user_agent = request.headers.get("user-agent")
        if user_agent and (len(user_agent) > MAX_USER_AGENT or not user_agent.isascii()):
            user_agent = utf8_text(user_agent)[:MAX_USER_AGENT]
        country = None
        if self.country_header:
            country = code_from(request.headers.get(self.country_header))
        browser = None
        is_asked = bool(request.query) and asks_for_visitors(request.query)
        looks_up = self.countries if not country else None
        if (is_asked or looks_up) and (address := self.address_of(request, now)):
            country = country_of(looks_up, address) if looks_up else country
            # Those without an address, as on a Unix socket, would all be one visitor.
            browser = Browser(self.salts, str(address), now) if is_asked else None
        sites, sender = self.sites.current(), NOBODY
        if sites is not None:
            origin = request.headers.get("origin")
            sender = Sender(origin, partial(self.address_of, request, now))
        return Visit(now, user_agent or None, country, self.default_site_id, browser, sites, sender)

    def address_of(self, request: Request, now: int) -> Address | None:
        """Of whoever sent the request; it is read, used and forgotten."""
        return self.senders.address(request.peer, request.headers.get, now)

    def answer(self, protocol: Protocol, request: Request, outcome: Outcome) -> Answer:
        """The answer to a request whose events, if any, are kept."""
        if outcome.dropped:
            self.count_left_out(outcome.dropped)
        for _, error in outcome.rejected:
            self.refused.add(self.clock(), Refused(error.site_id, error.status, error.code))
        self.count(outcome.status, len(outcome.encoded))
        if self.onlookers.want_notes:
            self.note(protocol, request, outcome)
        return self.whole(protocol.answer(outcome), request)

    def count_left_out(self, dropped: Sequence[LeftOut]) -> None:
        for (site_id, reason), number in Counter(dropped).items():
            count_dropped(number, reason)
            self.refused.add(self.clock(), Refused(site_id, 202, reason), number)

    def refuse(
        self, protocol: Protocol, request: Request, error: Refusal, outcome: Outcome | None = None
    ) -> Answer:
        """The answer to a request of which nothing is kept; `outcome` is what it was read into."""
        site_ids = [error.site_id if isinstance(error, InvalidInput) else NO_SITE]
        if outcome is not None and outcome.encoded and isinstance(error, Unavailable):
            site_ids = [*outcome.site_ids]
        if isinstance(error, OverLimit):
            note_reached(error)
        for site_id, number in Counter(site_ids).items():
            self.refused.add(self.clock(), Refused(site_id, error.status, error.code), number)
        self.count(error.status, 0)
        if self.onlookers.want_notes:
            self.note(protocol, request, outcome, error)
        return self.whole(protocol.refuse(error), request)

    def note(
        self,
        protocol: Protocol,
        request: Request,
        outcome: Outcome | None = None,
        error: Refusal | None = None,
    ) -> None:
        """Note it for who looks on; without an outcome or an error it is a preflight."""
        try:
            what = became(outcome, error)
            path = self.routes.reached(protocol, request.path)
            self.onlookers.add(self.noting.noted(path, request, self.clock(), what))
        except Exception:  # what was kept is answered so, or its client would send it again
            log.exception("a request is not shown to who looks on")

    def note_stray(self, request: Request) -> None:
        """The same of one for which there is no route, if it ends as one of ours."""
        if self.onlookers.want_notes and (path := self.routes.stray(request.path)):
            self.onlookers.add(self.noting.noted(path, request, self.clock(), NO_ROUTE))

    def report(self, settings: Settings) -> DoorReport:
        """How this process is set up, and what it tells in /ready."""
        return msgspec.structs.replace(
            report_of(settings),
            # Of the file in use, which another may have replaced since.
            country_built_at=built_at_of(self.countries) if self.countries else None,
            warnings=tuple(self.sites.warnings(self.clock())),
        )

    def close(self) -> None:
        """End what works behind it, and its connections."""
        self.keeper.stop()
        self.queue.close()

    def preflight(self, protocol: Protocol, request: Request) -> Answer:
        """The answer to a browser that asks whether a page may post."""
        cors = cors_headers(self.cors_origins, request.headers.get("origin"))
        asked = request.headers.get("access-control-request-headers")
        if self.onlookers.want_notes:
            self.note(protocol, request)
        return Answer(204, [*cors, *preflight_headers(protocol.preflight, asked)])

    def whole(self, answer: Answer, request: Request) -> Answer:
        """An answer with what every protocol's has: its length, and which pages may read it."""
        # Without its length, a server would send the answer in chunks.
        length = ("Content-Length", str(len(answer.body)))
        cors = cors_headers(self.cors_origins, request.headers.get("origin"))
        return Answer(answer.status, [*answer.headers, length, *cors], answer.body)


def site_blamed(named: str, visit: Visit, error: InvalidInput) -> str:
    """The site in whose receipt a refusal is: by its own name, and none that there is not."""
    if visit.sites is None:
        return named
    return NO_SITE if error.code == UNKNOWN_SITE else visit.sites.named(named)
