"""The protocols that the door speaks. From this list follow routes, preflights and OpenAPI."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ingestion.protocols.pixel import PIXEL
from ingestion.protocols.posted import POST_EVENT, POST_EVENTS
from ingestion.protocols.protocol import Protocol
from shared.http.paths import plain_path

PROTOCOLS = (POST_EVENT, POST_EVENTS, PIXEL)

# Of a request's method and path.
Find = Callable[[str, str], Protocol | None]


def protocols_with(event_path: str) -> tuple[Protocol, ...]:
    """The same, events also posted to a path of one's own; empty: there is none."""
    if not event_path:
        return PROTOCOLS
    own = replace(POST_EVENT, paths=(*POST_EVENT.paths, event_path))
    return tuple(own if protocol is POST_EVENT else protocol for protocol in PROTOCOLS)


def finder(protocols: Sequence[Protocol], prefix: str = "") -> Find:
    """Finds the protocol that a request speaks, if any; its path may have slashes too many, and
    begin with `prefix`."""
    routes = {
        (protocol.method, before + path): protocol
        for before in ("", prefix)
        for protocol in protocols
        for path in protocol.paths
    }

    def protocol_at(method: str, path: str) -> Protocol | None:
        return routes.get((method, path)) or routes.get((method, plain_path(path)))

    return protocol_at
