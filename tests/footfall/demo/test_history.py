"""The demo's past: the same whenever it is made, and shaped like something that happened."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from footfall.demo.history import Moment, by_country, days_of, events_of_day, history_begins
from footfall.demo.sites import BLOG, HISTORY_DAYS, SHOP, SITES, SPIKE_DAY, DemoSite
from shared.clock import DAY_MS, HOUR_MS
from shared.fields import MAX_EVENT_ID

# A Sunday, so that the spike, nine days before, is a Friday.
NOW = int(datetime(2025, 11, 16, 15, tzinfo=UTC).timestamp() * 1000)
DAYS = days_of(NOW, NOW)


def events_of(site: DemoSite, day: int) -> list[Moment]:
    return list(events_of_day(site, DAYS[day], NOW))


@pytest.fixture(scope="module")
def views() -> dict[str, list[int]]:
    return {site.site_id: [len(events_of(site, day)) for day in range(31)] for site in SITES}


def test_it_has_thirty_days_and_today() -> None:
    assert len(DAYS) == HISTORY_DAYS + 1
    assert NOW - DAYS[-1] == 15 * HOUR_MS


@pytest.mark.parametrize("site", SITES)
def test_a_day_is_the_same_when_it_is_made_later(site: DemoSite) -> None:
    later = NOW + 3 * DAY_MS
    assert days_of(NOW, later)[: len(DAYS)] == DAYS
    assert list(events_of_day(site, DAYS[12], NOW)) == events_of(site, 12)


@pytest.mark.parametrize("site", SITES)
def test_ids_are_unique_and_fit(site: DemoSite) -> None:
    ids = [event["event_id"] for day in (3, 4) for _, event in events_of(site, day)]
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= MAX_EVENT_ID


def test_it_is_enough_to_look_at_and_not_more(views: dict[str, list[int]]) -> None:
    assert 100_000 < sum(map(sum, views.values())) < 200_000


def test_sites_grow(views: dict[str, list[int]]) -> None:
    for counts in views.values():
        assert sum(counts[-7:]) > 1.2 * sum(counts[:7])


def test_a_blog_rests_on_sundays_and_a_shop_does_not(views: dict[str, list[int]]) -> None:
    sundays = [day for day in range(28) if (DAYS[day] // DAY_MS + 3) % 7 == 6]
    for sunday in sundays:
        assert views[BLOG.site_id][sunday] < 0.8 * views[BLOG.site_id][sunday + 2]
        assert views[SHOP.site_id][sunday] > views[SHOP.site_id][sunday + 2]


def test_afternoons_are_busier_than_nights() -> None:
    hours = Counter(event["timestamp"] % DAY_MS // HOUR_MS for _, event in events_of(SHOP, 10))
    assert hours[15] > 4 * hours[3]


def test_a_link_makes_one_day_a_spike(views: dict[str, list[int]]) -> None:
    blog = views[BLOG.site_id]
    assert max(blog) == blog[SPIKE_DAY] > 1.7 * blog[SPIKE_DAY - 1]
    referrers = Counter(event.get("referrer") for _, event in events_of(BLOG, SPIKE_DAY))
    (_, first), *_ = [each for each in referrers.most_common(3) if each[0]]
    assert first == referrers["https://news.ycombinator.com/"]


def test_visitors_take_their_time_and_stay_in_their_country() -> None:
    last: dict[str, int] = {}
    countries: dict[str, set[str]] = {}
    for country, event in events_of(SHOP, 5):
        user, at = event["user_id"], event["timestamp"]
        countries.setdefault(user, set()).add(country)
        last[event["session_id"]] = at
    assert max(map(len, countries.values())) == 1
    assert len(set.union(*countries.values())) >= 8
    by_session: dict[str, list[int]] = {}
    for _, event in events_of(SHOP, 5):
        by_session.setdefault(event["session_id"], []).append(event["timestamp"])
    assert all(b - a >= 2000 for times in by_session.values() for a, b in pairwise(times))


def test_only_what_happened_since_is_posted() -> None:
    noon = DAYS[4] + 12 * HOUR_MS
    moments = events_of(SHOP, 4)
    before = by_country(iter(moments), DAYS[0] - 1, noon)
    after = by_country(iter(moments), noon, NOW)
    assert sum(map(len, before.values())) + sum(map(len, after.values())) == len(moments)
    assert max(e["timestamp"] for events in before.values() for e in events) <= noon
    assert min(e["timestamp"] for events in after.values() for e in events) > noon


def test_it_begins_at_midnight() -> None:
    assert history_begins(NOW) % DAY_MS == 0
