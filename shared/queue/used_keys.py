"""When keys were used last: each process notes it, now and then all tell Redis, and the periodic
process writes it down.
"""

from collections.abc import Mapping

from shared.queue.event_queue import EventQueue

TELL_SECONDS = 30.0


class UsedKeys:
    """Where Redis has it. What it calls raises redis.RedisError."""

    def __init__(self, queue: EventQueue) -> None:
        self.redis = queue.redis
        self.key = f"{queue.prefix}:keys:used"

    def tell(self, used: Mapping[str, int]) -> None:
        """Of some, by their ids, in ms; two that tell of one differ by TELL_SECONDS at most."""
        if used:
            self.redis.hset(self.key, mapping={key_id: str(at) for key_id, at in used.items()})

    def fetch(self) -> dict[str, int]:
        found: dict[bytes, bytes] = self.redis.hgetall(self.key)  # type: ignore[assignment]
        return {key_id.decode(): int(at) for key_id, at in found.items()}
