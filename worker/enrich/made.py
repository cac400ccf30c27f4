"""What the worker makes of an event: the fields that shared/fields.py says come from it."""

from shared.event import Event
from worker.enrich.clients import client_from
from worker.enrich.sources import source_from


def made_of(event: Event) -> tuple[str | None, ...]:
    """Their values, in the order of MADE_BY_WORKER. No event raises."""
    source = source_from(event.referrer, event.site_id, event.hostname)
    return (source, *client_from(event.user_agent))
