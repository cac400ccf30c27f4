"""Events as tests make them."""

from typing import Any

from shared.event import Event, encode_event
from shared.queue.event_queue import Batch

NOW = 1_763_200_000_000  # 2025-11-15T09:46:40Z


def make_event(number: int = 0, **changes: Any) -> Event:
    """An event with an id of its own; `changes` are Event's fields."""
    fields: dict[str, Any] = {
        "site_id": "site-a",
        "timestamp": NOW,
        "event_id": f"id-{number}",
        "event_type": "page_view",
        "received_at": NOW,
        "path": "/",
        "user_id": "user",
    }
    return Event(**(fields | changes))


def make_batch(batch_id: str, *events: Event) -> Batch:
    return Batch(batch_id, [encode_event(event) for event in events])
