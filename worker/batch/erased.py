"""Of sites that are deleted, or were, no batch stores what arrived before that was done."""

from collections.abc import Mapping

from sqlalchemy import Engine

from shared.db.database import translated_errors
from shared.event import Event
from shared.fields import MAX_NAME
from shared.sites.erasures import Erasure, fetch_erasures_of


def erasures_of(engine: Engine, events: list[Event]) -> Mapping[str, Erasure]:
    """Those of the sites of these events.

    They are asked for after the batch was claimed: whoever deletes waits for batches that were
    claimed before. Raises Unavailable.
    """
    site_ids = {event.site_id for event in events if len(event.site_id) <= MAX_NAME}
    if not site_ids:
        return {}
    with translated_errors(), engine.begin() as connection:
        return fetch_erasures_of(connection, site_ids)


def split_erased(
    erasures: Mapping[str, Erasure], events: list[Event]
) -> tuple[list[Event], list[Event]]:
    """Those that are to be stored, and those of which nothing is kept."""
    if not erasures:
        return events, []
    kept: list[Event] = []
    erased: list[Event] = []
    for event in events:
        erasure = erasures.get(event.site_id)
        is_erased = erasure is not None and erasure.holds(event.received_at)
        (erased if is_erased else kept).append(event)
    return kept, erased
