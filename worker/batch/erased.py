"""Of sites that are deleted, or were, no batch stores what arrived before that was done."""

from collections.abc import Iterable

from sqlalchemy import Engine

from shared.db.database import translated_errors
from shared.event import Event
from shared.sites.erasures import fetch_erasures


def split_erased(engine: Engine, events: list[Event]) -> tuple[list[Event], list[Event]]:
    """Those that are to be stored, and those of which nothing is kept.

    It is asked after the batch was claimed: whoever deletes waits for batches that were claimed
    before. Raises Unavailable.
    """
    with translated_errors(), engine.begin() as connection:
        erasures = fetch_erasures(connection)
    if not erasures or erasures.keys().isdisjoint(sites_of(events)):
        return events, []
    kept: list[Event] = []
    erased: list[Event] = []
    for event in events:
        erasure = erasures.get(event.site_id)
        is_erased = erasure is not None and erasure.holds(event.received_at)
        (erased if is_erased else kept).append(event)
    return kept, erased


def sites_of(events: Iterable[Event]) -> set[str]:
    return {event.site_id for event in events}
