"""The past of the demo's sites: the same events with the same ids whenever it is made."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from footfall.demo.sites import HISTORY_DAYS, HOURS, DemoSite, is_spike, sessions_on
from footfall.load.traffic.sessions import Session, draw_session, next_event, pages
from shared.clock import DAY_MS, HOUR_MS

THINK_SECONDS = 45
# Nobody has more than one view in a second.
LEAST_THINK_MS = 2_000
SPIKE_REFERRER = "https://news.ycombinator.com/"
SPIKE_PATH = "/blog/post-1"
SPIKE_SHARE = 0.6


class Moment(NamedTuple):
    """An event, and the country that its request must come from."""

    country: str
    event: dict[str, Any]


def history_begins(began_at: int) -> int:
    """The first midnight of the history of a demo that was first started then; in ms."""
    return (began_at // DAY_MS - HISTORY_DAYS) * DAY_MS


def days_of(began_at: int, until: int) -> range:
    """The midnights of all days from the beginning of the history to `until`, in ms."""
    return range(history_begins(began_at), until + 1, DAY_MS)


def events_of_day(site: DemoSite, midnight: int, began_at: int) -> Iterator[Moment]:
    """The sessions that begin on this day; the last ones end on the next."""
    date = datetime.fromtimestamp(midnight / 1000, UTC).date()
    random = Random(f"{site.site_id} {date}")  # noqa: S311  # no secret
    day = (midnight - history_begins(began_at)) // DAY_MS
    paths = pages(site.pages)
    number = 0
    for begun in range(sessions_on(site, day, date.weekday(), random)):
        session = begin(site, f"{date}-{begun}", random, on_spike=is_spike(site, day))
        at = midnight + random.choices(range(24), HOURS)[0] * HOUR_MS
        at += int(random.random() * HOUR_MS)
        while not session.has_ended:
            event = next_event(random, session, paths)
            if event.get("referrer") == SPIKE_REFERRER and is_spike(site, day):
                event["path"] = SPIKE_PATH
            number += 1
            event |= {"site_id": site.site_id, "event_id": f"{date}-{number}", "timestamp": at}
            yield Moment(session.country, event)
            at += LEAST_THINK_MS + int(random.expovariate(1 / THINK_SECONDS) * 1000)


def begin(site: DemoSite, session_id: str, random: Random, *, on_spike: bool) -> Session:
    # Squared: some visitors come often, and most of them hardly ever.
    user = int(random.random() ** 2 * site.users)
    session = draw_session(random, f"{site.site_id}-{user}", session_id)
    if on_spike and random.random() < SPIKE_SHARE:
        session.referrer, session.campaign = SPIKE_REFERRER, ""
    return session


def by_country(
    moments: Iterator[Moment], after: int, until: int
) -> dict[str, list[dict[str, Any]]]:
    """The events later than `after` and no later than `until`, as they can go in one request."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for country, event in moments:
        if after < event["timestamp"] <= until:
            found[country].append(event)
    return found
