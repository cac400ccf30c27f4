"""Spools as the tests fill and read them."""

from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

from ingestion.delivery.records import records_from
from ingestion.delivery.spool import Keep, Spool
from shared.errors import Unavailable
from shared.event import Event, encode_event
from shared.queue.push_command import Place
from tests.servers import PATIENCE_SECONDS

LARGE = 1 << 30


def event(name: str, received_at: int = 1_763_208_000_000) -> bytes:
    """An event as it waits in the buffer."""
    return encode_event(
        Event(
            event_id=name,
            site_id="s",
            event_type="e",
            timestamp=received_at,
            received_at=received_at,
        )
    )


def keep(spool: Spool, *requests: Sequence[bytes], place: Place | None = None) -> None:
    """Have requests kept, one after the other. Raises Unavailable."""
    for events in requests:
        spool.wait_to_keep(place, events)


def keep_at_once(spool: Spool, *requests: tuple[Place | None, Sequence[bytes]]) -> None:
    """Have requests kept as one. Raises Unavailable."""
    told: SimpleQueue[Unavailable | None] = SimpleQueue()
    spool.keep(Keep(requests, told.put))
    if (error := told.get(timeout=PATIENCE_SECONDS)) is not None:
        raise error


def files_in(root: Path) -> list[Path]:
    return sorted(root.glob("*/*.events"))


def events_in(root: Path) -> list[bytes]:
    """All that stands in the files, in order."""
    records = (each for path in files_in(root) for _, each in records_from(path.read_bytes()))
    return [one for each in records if each for one in each.events]
