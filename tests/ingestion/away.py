"""A Redis that is away, without one."""

from typing import Any

import redis


class Away:
    """In the place of a client: whatever is asked of it, it cannot connect."""

    def __getattr__(self, name: str) -> Any:
        raise redis.ConnectionError(f"{name}: it is away")
