"""When an event happened, from whatever clients write: always milliseconds since 1970 UTC."""

import re
from datetime import UTC, datetime, timedelta

from shared.errors import InvalidInput

# Numbers below are seconds (1e11 s is the year 5138), from there on milliseconds (1e11 ms is 1973).
FIRST_MILLISECONDS = 100_000_000_000
MAX_AHEAD_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NUMERIC = re.compile(r"[0-9]{1,17}(\.[0-9]{1,9})?")


def timestamp_from(value: str | float, received_at: int) -> int:
    """Milliseconds from ISO 8601 (no zone is UTC) or Unix seconds or milliseconds.

    Raises InvalidInput (`bad_timestamp`) for anything else, before 1970, or more than a day ahead.
    """
    if isinstance(value, str):
        value = value.strip()
        # With a hyphen it is no number: that is told ten times as fast as by the pattern.
        is_date = "-" in value or not NUMERIC.fullmatch(value)
        ms = ms_from_iso(value) if is_date else ms_from_number(float(value))
    else:
        ms = ms_from_number(value)
    if ms < 0:
        raise bad_timestamp("timestamp is before 1970")
    if ms > received_at + MAX_AHEAD_MS:
        raise bad_timestamp("timestamp is more than a day ahead")
    return ms


def ms_from_number(number: float) -> int:
    # Through seconds times 1000 a fraction like .123 would become .12299; round it to the ms.
    return int(number) if abs(number) >= FIRST_MILLISECONDS else round(number * 1000)


def ms_from_iso(value: str) -> int:
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise bad_timestamp("timestamp must be ISO 8601 or Unix seconds or milliseconds") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // MILLISECOND


def bad_timestamp(message: str) -> InvalidInput:
    return InvalidInput("bad_timestamp", message, field="timestamp")
