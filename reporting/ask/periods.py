"""Where days, weeks and months begin in a time zone, in milliseconds since 1970 UTC."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.clock import HOUR_MS, MINUTE_MS
from shared.errors import InvalidInput
from shared.zones import MONDAY, WEEK_STARTS

# Intervals that take as long everywhere, in ms. Those of the calendar do not: a day has 23 or 25
# hours where clocks change.
FIXED_MS = {"minute": MINUTE_MS, "hour": HOUR_MS}
INTERVALS = (*FIXED_MS, "day", "week", "month")
# A week of minutes, or a year of hours.
MAX_POINTS = 11_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """When `day` begins in `zone`: the first of two midnights, and the jump where there is none."""
    local = datetime.combine(day, time.min, zone)
    return (local.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)


def boundaries_of(
    first: date, last: date, zone: ZoneInfo, interval: str, week_start: str = MONDAY
) -> list[int]:
    """Where the interval's buckets meet, from the first day's beginning to the last one's end.

    The first and last week or month hold only the days asked for. Minutes and hours follow one
    another from the first midnight. Raises InvalidInput for too many.
    """
    start, end = midnight_ms(first, zone), midnight_ms(last + timedelta(days=1), zone)
    if interval in FIXED_MS:
        step = FIXED_MS[interval]
        points = -(-(end - start) // step)
        check_points(points, interval)
        return [*range(start, end, step), end]
    check_points((last - first).days + 1, "day")
    inner = (midnight_ms(day, zone) for day in first_days(first, last, interval, week_start))
    return [start, *inner, end]


def first_days(first: date, last: date, interval: str, week_start: str) -> Iterator[date]:
    """The days after `first` on which a day, week or month begins."""
    weekday = WEEK_STARTS[week_start]
    for number in range(1, (last - first).days + 1):
        day = first + timedelta(days=number)
        is_first = {"day": True, "week": day.weekday() == weekday, "month": day.day == 1}
        if is_first[interval]:
            yield day


def week_of(day: date, week_start: str) -> date:
    """The day that `day`'s week begins with."""
    return day - timedelta(days=(day.weekday() - WEEK_STARTS[week_start]) % 7)


def check_points(points: int, interval: str) -> None:
    if points > MAX_POINTS:
        raise InvalidInput(
            "too_many_points",
            f"the range has {points} {interval}s, more than {MAX_POINTS}: "
            "ask for a longer interval or a shorter range",
            field="interval",
        )
