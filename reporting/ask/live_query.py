"""What the live and compatibility routes are asked, parsed once. Times are ms since 1970 UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from reporting.ask import parameters as by
from reporting.ask.paging import Page, page_from
from reporting.ask.parameter import Asked
from reporting.ask.periods import week_of
from shared.clock import MINUTE_MS
from shared.zones import SUNDAY

# "Now" on the live routes: the last five minutes.
LIVE_MS = 5 * MINUTE_MS


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
    """A user's sessions, the first `limit` of them."""

    window: Window
    user_id: str
    limit: int


@dataclass(frozen=True)
class BucketQuery:
    """Events of one type in one minute, and the key by which they were asked for."""

    window: Window
    event_type: str
    key: str


@dataclass(frozen=True)
class AnalyticsQuery:
    """Days, weeks and months (each by its first day) from these on, weeks as from `week_start`; of
    one user or kind, if any; by type, of the types of a page.

    `kind` is what clients of analytics-engine send as `type` beside `name`: a property.
    """

    site_id: str | None
    user_id: str | None
    kind: str | None
    first_day: date
    first_week: date
    first_month: date
    page: Page
    week_start: str = SUNDAY


def live_query(asked: Asked, now: int) -> Window:
    """The last five minutes, both ends included; of a site, or of all where none is asked for."""
    return Window(asked[by.ANY_SITE], now - LIVE_MS, now + 1)


def ranking_query(asked: Asked, now: int) -> RankingQuery:
    return RankingQuery(live_query(asked, now), asked[by.LIMIT])


def sessions_query(asked: Asked, now: int) -> SessionsQuery:
    return SessionsQuery(live_query(asked, now), asked[by.USER_ID], asked[by.SESSIONS_LIMIT])


def minutes_query(asked: Asked, now: int) -> Window:
    """The minute of `minutes` ago, that of now, and those between."""
    this_minute = now - now % MINUTE_MS
    start = this_minute - asked[by.MINUTES] * MINUTE_MS
    return Window(asked[by.ANY_SITE], start, this_minute + MINUTE_MS)


def bucket_query(asked: Asked, _: int) -> BucketQuery:
    key, event_type, start = asked[by.BUCKET_KEY]
    return BucketQuery(Window(asked[by.ANY_SITE], start, start + MINUTE_MS), event_type, key)


def analytics_query(asked: Asked, now: int) -> AnalyticsQuery:
    lookback = asked[by.LOOKBACK]
    week_start = asked[by.SUNDAY_OR] or SUNDAY
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    return AnalyticsQuery(
        site_id=asked[by.ANY_SITE],
        user_id=asked[by.UNIQUE_ID],
        kind=asked[by.KIND],
        first_day=today - timedelta(days=lookback),
        first_week=week_of(today - timedelta(weeks=lookback), week_start),
        first_month=months_before(today, lookback),
        week_start=week_start,
        page=page_from(asked),
    )


def months_before(day: date, months: int) -> date:
    """The first day of the month that many months before `day`'s."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)
