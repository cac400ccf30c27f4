"""What is noted of a request while somebody looks: where it came from, and what became of it.

No key, no user, no whole address, no query, no path that a client has thought up.
"""

import ipaddress
import secrets
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from maxminddb import Reader

from ingestion.cors import cors_headers
from ingestion.delivery.onlookers import own_name
from ingestion.protocols.protocol import Outcome, Protocol, Refusal
from ingestion.reading.request import Request
from ingestion.visitor.addresses import Address
from ingestion.visitor.countries import code_from, country_of
from ingestion.visitor.senders import USUAL, Senders, address_of_peer
from shared.errors import InvalidInput
from shared.event import decode_event
from shared.http.paths import plain_path
from shared.queue.watching import LOOPBACK, PEER, PRIVATE, PROXY, PUBLIC, Noted
from shared.urls import host_from, host_named

PREFLIGHT_STATUS = 204
ORIGIN_REFUSED = "cors_origin"
SCRIPT = "/tracker.js"
SCHEMES = ("http", "https")
# What is left of an address.
IPV4_BITS, IPV6_BITS = 24, 48
SENDER_BYTES = 4
# Of RFC 1918, 6598, 3927, 4193 and 4291; Python's `is_private` has those of examples, too.
PRIVATE_NETWORKS = [
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
]
WRITTEN = {
    "x-forwarded-for": "X-Forwarded-For",
    "forwarded": "Forwarded",
    "x-real-ip": "X-Real-IP",
    "cf-connecting-ip": "CF-Connecting-IP",
}


class Became(NamedTuple):
    """What became of a request: its status, the code of what was wrong, whose it was."""

    status: int
    code: str | None = None
    site_id: str | None = None
    events: int = 0
    ahead_ms: int | None = None


# What is answered where there is no such route.
NO_ROUTE = Became(404, "not_found")


class Routes:
    """The paths that ingestion knows, and how they are shown."""

    def __init__(self, protocols: Sequence[Protocol], own_script: str, prefix: str) -> None:
        """`own_script` is TRACKER_PATH, `prefix` what a proxy may leave before any; either may be
        empty."""
        self.prefix = prefix
        scripts = (SCRIPT, own_script) if own_script else (SCRIPT,)
        known = (*(path for protocol in protocols for path in protocol.paths), *scripts)
        # One may end as another does.
        self.longest_first = sorted(known, key=len, reverse=True)

    def reached(self, protocol: Protocol, path: str) -> str:
        """The protocol's route that a request to `path` came to."""
        plain = plain_path(path)
        meant = (plain, plain.removeprefix(self.prefix))
        return next((path for path in meant if path in protocol.paths), protocol.paths[0])

    def stray(self, path: str) -> str | None:
        """How a path is shown under which there is no route, where it ends as one of ours: what
        stands before that, a proxy may have left there. None for any other."""
        ends = (route for route in self.longest_first if path.endswith(route) and path != route)
        end = next(ends, None)
        return end and f"…{end}"


class Noting:
    """Reads addresses and countries as the door does, and tells nobody where it cannot."""

    def __init__(
        self,
        senders: Senders,
        countries: Reader | None,
        country_header: str,
        cors_origins: frozenset[str],
    ) -> None:
        self.senders = senders
        self.countries = countries
        self.country_header = country_header
        self.cors_origins = cors_origins
        self.name = own_name()
        # Nobody else has it, and this process for as long as it lives.
        self.key = secrets.token_bytes(16)

    def noted(self, path: str, request: Request, now: int, became: Became) -> Noted:
        """`path` is the route's, not the client's; `now` is in ms."""
        header_of = request.headers.get
        address_from, address = self.address(request)
        peer = self.peer(request)
        origin = header_of("origin")
        scheme = origin.partition("://")[0].lower() if origin else None
        is_refused = self.is_refused(origin)
        code = became.code
        if is_refused and became.status == PREFLIGHT_STATUS:
            code = ORIGIN_REFUSED
        return Noted(
            door=self.name,
            at=now,
            method=request.method,
            path=path,
            status=became.status,
            code=code,
            events=became.events,
            site_id=became.site_id or None,
            address_from=address_from,
            address=cut(address),
            address_class=self.class_of(address),
            sender=self.digest(address),
            peer=cut(peer),
            peer_class=self.class_of(peer),
            forwarded=tuple(WRITTEN[name] for name in USUAL if header_of(name)),
            forwarded_proto=among(SCHEMES, first_of(header_of("x-forwarded-proto"))),
            country=self.country(request, address),
            host=host_named(header_of("host") or ""),
            origin_scheme=among(SCHEMES, scheme),
            origin_host=host_from(f"{origin}/") if scheme in SCHEMES else None,
            is_origin_refused=is_refused,
            ahead_ms=became.ahead_ms,
        )

    def address(self, request: Request) -> tuple[str | None, Address | None]:
        """The sender's address, and where it was read."""
        senders, header_of = self.senders, request.headers.get
        try:
            if senders.trusted:
                address = senders.behind_proxies(request.peer, header_of)
                return self.believed(request), address
            if senders.header:
                value = header_of(senders.names[0])
                return senders.header, next(senders.named(value, senders.header))
            return PEER, address_of_peer(request.peer)
        except ValueError:
            return None, None

    def believed(self, request: Request) -> str:
        """The first header that is there, where a proxy of ours has passed it."""
        peer = self.peer(request)
        if peer is None or self.senders.is_trusted(peer):
            for name in self.senders.names:
                if request.headers.get(name):
                    return self.senders.header or WRITTEN[name]
        return PEER

    def peer(self, request: Request) -> Address | None:
        try:
            return address_of_peer(request.peer)
        except ValueError:  # of a Unix socket
            return None

    def class_of(self, address: Address | None) -> str | None:
        if address is None:
            return None
        if self.senders.is_trusted(address):
            return PROXY
        if address.is_loopback:
            return LOOPBACK
        is_private = any(address in network for network in PRIVATE_NETWORKS)
        return PRIVATE if is_private else PUBLIC

    def digest(self, address: Address | None) -> str | None:
        if address is None:
            return None
        return blake2b(address.packed, key=self.key, digest_size=SENDER_BYTES).hexdigest()

    def country(self, request: Request, address: Address | None) -> str | None:
        named = self.country_header and request.headers.get(self.country_header)
        if country := code_from(named or None):
            return country
        return country_of(self.countries, address) if self.countries and address else None

    def is_refused(self, origin: str | None) -> bool:
        """Whether a browser tells a page of that Origin nothing."""
        return origin is not None and len(cors_headers(self.cors_origins, origin)) == 1


def became(outcome: Outcome | None, error: Refusal | None) -> Became:
    """What became of a request that was read, or refused; neither is a preflight."""
    if error is not None:
        named = error.named if isinstance(error, InvalidInput) else ""
        if not named and outcome is not None and outcome.site_ids:
            named = outcome.site_ids[0]
        return Became(error.status, error.code, named)
    if outcome is None:
        return Became(PREFLIGHT_STATUS)
    wrong = outcome.rejected[0][1] if outcome.rejected else None
    left_out = outcome.dropped[0] if outcome.dropped else None
    code = wrong.code if wrong else left_out.reason if left_out else None
    if outcome.encoded:
        event = decode_event(outcome.encoded[0])
        ahead = event.timestamp - event.received_at
        return Became(outcome.status, code, event.site_id, len(outcome.encoded), ahead)
    site_id = left_out.site_id if left_out else wrong.named if wrong else None
    return Became(outcome.status, code, site_id)


def cut(address: Address | None) -> str | None:
    """The network that is shown of it."""
    if address is None:
        return None
    bits = IPV4_BITS if address.version == 4 else IPV6_BITS
    return str(ipaddress.ip_network((address.packed, bits), strict=False))


def first_of(value: str | None) -> str:
    """What the outermost proxy has said, of several."""
    return (value or "").partition(",")[0].strip().lower()


def among(known: Collection[str], text: Any) -> str | None:
    return text if text in known else None
