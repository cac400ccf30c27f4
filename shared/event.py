"""What an event is, once accepted: the form in which it waits in Redis and reaches the tables.

Its fields are those of shared/fields.py that are on the wire; a test holds the two together. There
an event is a JSON array, so their order is a format: add at the end, with a default, and never
reorder, or a rolling upgrade misreads what is queued.
"""

from typing import Any

import msgspec

PAGE_VIEW = "page_view"

# Other names that are stored under one of ours.
EVENT_TYPES = {"pageview": PAGE_VIEW}


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One accepted event. Times are milliseconds since 1970 UTC."""

    site_id: str
    timestamp: int
    event_id: str
    event_type: str
    received_at: int
    # True where the caller chose `event_id`: then, and only then, it is an idempotency key.
    has_caller_id: bool = False
    path: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    referrer: str | None = None
    title: str | None = None
    user_agent: str | None = None
    country: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    properties: dict[str, Any] | None = None
    hostname: str | None = None


encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode
decode_events = msgspec.json.Decoder(list[Event]).decode
