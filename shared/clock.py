"""Time as Footfall keeps it: whole milliseconds since 1970 UTC.

Only entry points and process loops call `now_ms`; everything below them is handed the time.
"""

import time
from datetime import UTC, datetime

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


def now_ms() -> int:
    """The time of arrival, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def iso_from_ms(ms: int) -> str:
    """`1763200000123` as `2025-11-15T09:46:40.123Z`; whole seconds carry no fraction."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    fraction = f".{ms % 1000:03d}" if ms % 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
