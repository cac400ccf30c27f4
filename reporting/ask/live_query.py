"""What the live and compatibility routes are asked, parsed once. Times are ms since 1970 UTC."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from reporting.ask.parameters import (
    event_type_from,
    limit_from,
    short_name,
    single_values,
    site_from,
)
from shared.clock import MINUTE_MS
from shared.errors import InvalidInput

# "Now" on the live routes: the last five minutes.
LIVE_MS = 5 * MINUTE_MS
DEFAULT_LOOKBACK = 7
MAX_LOOKBACK = 366
DEFAULT_MINUTES = 5
MAX_MINUTES = 1440
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
# As event-analytics names its counters: `page_view_2024-06-07_12:34`.
BUCKET_KEY = re.compile(r"(.+)_([0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}:[0-9]{2})", re.DOTALL)

Parameters = Mapping[str, list[str]]


@dataclass(frozen=True)
class Window:
    """Of a site, or of all of them (`site_id` None), from `start` up to but not including `end`."""

    site_id: str | None
    start: int
    end: int


@dataclass(frozen=True)
class RankingQuery:
    """The first `limit` of a list."""

    window: Window
    limit: int


@dataclass(frozen=True)
class SessionsQuery:
    """A user's sessions."""

    window: Window
    user_id: str


@dataclass(frozen=True)
class BucketQuery:
    """Events of one type in one minute, and the key by which they were asked for."""

    window: Window
    event_type: str
    key: str


@dataclass(frozen=True)
class AnalyticsQuery:
    """Days, weeks and months (each by its first day) from these on; of one user or kind, if any.

    `kind` is what clients of analytics-engine send as `type` beside `name`: a property.
    """

    site_id: str | None
    user_id: str | None
    kind: str | None
    first_day: date
    first_week: date
    first_month: date


def realtime_query_from(parameters: Parameters, now: int) -> Window:
    """What /realtime is asked. All of these raise InvalidInput naming the parameter."""
    return live_window(site_from(single_values(parameters, ("site_id",))), now)


def ranking_query_from(parameters: Parameters, now: int) -> RankingQuery:
    """What the lists of most active users and most viewed pages are asked."""
    given = single_values(parameters, ("site_id", "limit"))
    return RankingQuery(live_window(any_site_from(given), now), limit_from(given.get("limit")))


def sessions_query_from(parameters: Parameters, user_id: str, now: int) -> SessionsQuery:
    """What a user's sessions of one site are asked."""
    given = single_values(parameters, ("site_id",))
    return SessionsQuery(live_window(site_from(given), now), short_name("user_id", user_id))


def any_sessions_query_from(parameters: Parameters, user_id: str, now: int) -> SessionsQuery:
    """The same where the site may be left out."""
    given = single_values(parameters, ("site_id",))
    return SessionsQuery(live_window(any_site_from(given), now), short_name("user_id", user_id))


def minutes_query_from(parameters: Parameters, now: int) -> Window:
    """What views per minute are asked: the minute of `minutes` ago, that of now, and between."""
    given = single_values(parameters, ("site_id", "minutes"))
    minutes = minutes_from(given.get("minutes"))
    this_minute = now - now % MINUTE_MS
    return Window(any_site_from(given), this_minute - minutes * MINUTE_MS, this_minute + MINUTE_MS)


def bucket_query_from(parameters: Parameters, key: str) -> BucketQuery:
    """What a minute's counter is asked."""
    given = single_values(parameters, ("site_id",))
    event_type, start = bucket_from(key)
    return BucketQuery(Window(any_site_from(given), start, start + MINUTE_MS), event_type, key)


def analytics_query_from(parameters: Parameters, now: int) -> AnalyticsQuery:
    """What /analytics is asked."""
    given = single_values(parameters, ("site_id", "lookback", "uniqueId", "type"))
    lookback = lookback_from(given.get("lookback"))
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    return AnalyticsQuery(
        site_id=any_site_from(given),
        user_id=any_name_from(given, "uniqueId"),
        kind=any_name_from(given, "type"),
        first_day=today - timedelta(days=lookback),
        first_week=week_of(today - timedelta(weeks=lookback)),
        first_month=months_before(today, lookback),
    )


def live_window(site_id: str | None, now: int) -> Window:
    """The last five minutes, both ends included."""
    return Window(site_id, now - LIVE_MS, now + 1)


def any_site_from(given: Mapping[str, str]) -> str | None:
    return any_name_from(given, "site_id")


def any_name_from(given: Mapping[str, str], name: str) -> str | None:
    return short_name(name, given[name]) if name in given else None


def minutes_from(value: str | None) -> int:
    if value is None:
        return DEFAULT_MINUTES
    if not is_whole_number(value, MAX_MINUTES):
        raise InvalidInput(
            "bad_minutes",
            f"minutes must be a whole number from 1 to {MAX_MINUTES}",
            field="minutes",
        )
    return int(value)


def lookback_from(value: str | None) -> int:
    if value is None:
        return DEFAULT_LOOKBACK
    if not is_whole_number(value, MAX_LOOKBACK):
        raise InvalidInput(
            "bad_lookback",
            f"lookback must be a whole number from 1 to {MAX_LOOKBACK}",
            field="lookback",
        )
    return int(value)


def is_whole_number(value: str, most: int) -> bool:
    return WHOLE_NUMBER.fullmatch(value) is not None and 1 <= int(value) <= most


def bucket_from(key: str) -> tuple[str, int]:
    """The event type in a minute's key, and when the minute begins."""
    found = BUCKET_KEY.fullmatch(key)
    try:
        minute = datetime.strptime(found[2], "%Y-%m-%d_%H:%M") if found else None
    except ValueError:  # 2024-02-30, 24:00
        minute = None
    if found is None or minute is None:
        raise InvalidInput(
            "bad_bucket_key",
            "bucket_key must be <event_type>_YYYY-MM-DD_HH:MM, "
            "for example page_view_2024-06-07_12:34",
            field="bucket_key",
        )
    event_type = event_type_from(found[1]) or found[1]
    return event_type, int(minute.replace(tzinfo=UTC).timestamp()) * 1000


def week_of(day: date) -> date:
    """The Sunday that `day`'s week begins with."""
    return day - timedelta(days=day.isoweekday() % 7)


def months_before(day: date, months: int) -> date:
    """The first day of the month that many months before `day`'s."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)
