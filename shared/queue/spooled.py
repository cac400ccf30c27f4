"""What ingestion processes tell Redis of their spools, and for how long that is believed."""

from collections.abc import Sequence

import msgspec
import redis

DAY_MS = 86_400_000
# A process tells every half second what waits; one that has said nothing for a day is away, and
# perhaps its machine, too.
SILENT_MS = DAY_MS
# So long somebody may bring the disk back. It is a month, for nothing else says what is missing.
FORGOTTEN_MS = 30 * DAY_MS


class Spooled(msgspec.Struct, frozen=True):
    """What an ingestion process keeps until Redis takes it; the times are in ms."""

    events: int
    bytes: int
    oldest_received_at: int
    reported_at: int


SPOOLED = msgspec.json.Decoder(Spooled)
SPOOLED_ENCODER = msgspec.json.Encoder()


def silent_events(spools: Sequence[Spooled], now: int) -> int:
    """The events in spools of which nothing was heard for SILENT_MS before `now`, in ms."""
    return sum(spool.events for spool in spools if spool.reported_at < now - SILENT_MS)


def forget_spools(client: "redis.Redis", key: str, now: int) -> dict[str, Spooled]:
    """Take out, and return by name, what was told last more than FORGOTTEN_MS before `now`, in ms.
    One that lives tells it again. Raises redis.RedisError."""
    found: dict[bytes, bytes] = client.hgetall(key)  # type: ignore[assignment]
    told = {name.decode(): SPOOLED.decode(text) for name, text in found.items()}
    old = {name: spool for name, spool in told.items() if spool.reported_at < now - FORGOTTEN_MS}
    if old:
        client.hdel(key, *old)
    return old
