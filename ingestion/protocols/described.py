"""What the descriptions of several routes have in common."""

from typing import Any

from ingestion.visitor.visitors import HASHED, PARAMETER
from shared.http.openapi import KEY_OR_OPEN, Json, header, query

SITE = "site-abc-123"
ONE = {"site_id": SITE, "event_type": "page_view", "path": "/pricing", "user_id": "user-xyz-789"}
TEXT = {"type": "string"}

SHOP = "https://shop.example"
CORS_ORIGIN = "The origin that asks, if `CORS_ORIGINS` lists it or is empty; `*` where none asks."
CORS: Json = {"Access-Control-Allow-Origin": header("*", CORS_ORIGIN)}
CORS_OF_SHOP: Json = {
    "Access-Control-Allow-Origin": header(SHOP, CORS_ORIGIN),
    "Access-Control-Allow-Credentials": header("true", "Beacons are sent with credentials."),
}
USERS = query(
    PARAMETER,
    {"type": "string", "enum": [HASHED]},
    "Give events that name no user the visitor of this request: a keyed digest of site, address "
    "and user agent, the same for a UTC day. The address is not kept, and the key is gone a day "
    "later. Without it, an event without `user_id` is nobody's.",
)


def operation(summary: str, description: str, responses: Json, **more: Any) -> Json:
    """A route of the events; under INGEST_AUTH it asks for the key, unless `more` is more open."""
    described = {"tags": ["events"], "summary": summary, "description": description}
    return described | {"security": KEY_OR_OPEN} | more | {"responses": responses}
