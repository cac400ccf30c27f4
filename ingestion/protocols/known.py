"""The protocols that the door speaks. From this list follow routes, preflights and OpenAPI."""

from ingestion.protocols.pixel import PIXEL
from ingestion.protocols.posted import POST_EVENT, POST_EVENTS
from ingestion.protocols.protocol import Protocol
from shared.http.paths import plain_path

PROTOCOLS = (POST_EVENT, POST_EVENTS, PIXEL)
ROUTES = {(protocol.method, path): protocol for protocol in PROTOCOLS for path in protocol.paths}


def protocol_at(method: str, path: str) -> Protocol | None:
    """The protocol that a request speaks, if any; its path may have slashes too many."""
    return ROUTES.get((method, path)) or ROUTES.get((method, plain_path(path)))
