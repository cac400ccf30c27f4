"""The two sites of the demo, and how many views each has on which day and at which hour.

Everything follows from the site and the day, so that the same past can be posted again.
"""

from dataclasses import dataclass
from random import Random

HISTORY_DAYS = 30
# A link to the blog is shared on this day of the history.
SPIKE_DAY = 21
SPIKE_FACTOR = 2.2
MOST_GROWTH_DAYS = 60


@dataclass(frozen=True)
class DemoSite:
    """`weekend` is how a Sunday compares with a Tuesday, `growth` how a month with the last one."""

    site_id: str
    sessions_a_day: int
    users: int
    pages: int
    weekend: float
    growth: float
    has_spike: bool = False


SHOP = DemoSite("shop.example", 1000, users=24_000, pages=80, weekend=1.25, growth=0.5)
BLOG = DemoSite(
    "blog.example", 420, users=11_000, pages=140, weekend=0.55, growth=0.9, has_spike=True
)
SITES = (SHOP, BLOG)

# Sessions that begin at each hour UTC: Europe's day and America's evening.
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 11, 12, 12, 12, 11, 10, 10, 10, 9, 7, 5, 3)
SATURDAY = 5


def is_spike(site: DemoSite, day: int) -> bool:
    return site.has_spike and day == SPIKE_DAY


def sessions_on(site: DemoSite, day: int, weekday: int, random: Random) -> int:
    """Sessions of a day, the `day`th since the history begins; Monday is weekday 0."""
    grown = 1 + site.growth * min(day, MOST_GROWTH_DAYS) / HISTORY_DAYS
    rhythm = site.weekend if weekday >= SATURDAY else 1.0
    spike = SPIKE_FACTOR if is_spike(site, day) else 1.0
    return round(site.sessions_a_day * grown * rhythm * spike * random.uniform(0.92, 1.08))
