"""What made-up visitors look like: browsers, origins, campaigns, countries and pages, with shares.

The shares are plausible and nobody's in particular; each table is drawn from by weight.
"""

from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """Values that are drawn as often as their weights say."""

    def __init__(self, weights: dict[T, float]) -> None:
        self.values = tuple(weights)
        self.cumulative = tuple(accumulate(weights.values()))

    def draw(self, random: Random) -> T:
        return self.at(random.random())

    def at(self, share: float) -> T:
        """The value at this place, from 0 to less than 1, when all are laid out by weight."""
        # Not random.choices: at 10,000 events a second it would be a third of all work.
        return self.values[bisect(self.cumulative, share * self.cumulative[-1])]


def zipf(number: int) -> list[float]:
    """Weights by which the first comes twice as often as the second, thrice as the third."""
    return [1 / rank for rank in range(1, number + 1)]


WINDOWS = "Windows NT 10.0; Win64; x64"
MAC = "Macintosh; Intel Mac OS X 10_15_7"
LINUX = "X11; Linux x86_64"
ANDROID = "Linux; Android 10; K"
IPHONE = "iPhone; CPU iPhone OS 18_6 like Mac OS X"
IPAD = "iPad; CPU OS 18_6 like Mac OS X"


def chrome(system: str, mobile: str = "") -> str:
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/142.0.0.0 {mobile}Safari/537.36"
    )


def safari(system: str, mobile: str = "") -> str:
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        f"Version/18.6 {mobile}Safari/{'604.1' if mobile else '605.1.15'}"
    )


def firefox(system: str) -> str:
    return f"Mozilla/5.0 ({system}; rv:145.0) Gecko/20100101 Firefox/145.0"


AGENTS = Weighted(
    {
        chrome(ANDROID, "Mobile "): 27,
        chrome(WINDOWS): 22,
        safari(IPHONE, "Mobile/15E148 "): 18,
        chrome(MAC): 7,
        safari(MAC): 5,
        f"{chrome(WINDOWS)} Edg/142.0.0.0": 6,
        firefox(WINDOWS): 4,
        chrome(LINUX): 2,
        firefox(LINUX): 2,
        firefox("Macintosh; Intel Mac OS X 10.15"): 1,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": 3,
        safari(IPAD, "Mobile/15E148 "): 2,
        f"{chrome(WINDOWS)} OPR/124.0.0.0": 1,
    }
)

CRAWLERS = Weighted(
    {
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 5,
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": 3,
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)": 1,
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)": 1,
    }
)

# None: typed into the address bar, or from an app that does not say.
REFERRERS = Weighted[str | None](
    {
        None: 40,
        "https://www.google.com/": 26,
        "https://duckduckgo.com/": 4,
        "https://www.bing.com/": 4,
        "https://news.ycombinator.com/": 4,
        "https://www.reddit.com/r/selfhosted/": 4,
        "https://github.com/": 5,
        "https://t.co/k3Vd0q": 3,
        "https://www.linkedin.com/": 3,
        "https://l.facebook.com/": 3,
        "https://en.wikipedia.org/wiki/Web_analytics": 2,
        "https://www.youtube.com/": 2,
    }
)

# As a query string, the way a visitor brings it along.
CAMPAIGNS = Weighted(
    {
        "": 92,
        "utm_source=newsletter&utm_medium=email&utm_campaign=monthly": 3,
        "utm_source=google&utm_medium=cpc&utm_campaign=brand": 3,
        "utm_source=podcast&utm_medium=audio&utm_campaign=autumn": 1,
        "utm_source=partner&utm_medium=referral&utm_campaign=autumn": 1,
    }
)

COUNTRIES = Weighted(
    {
        "US": 30,
        "DE": 16,
        "GB": 10,
        "FR": 8,
        "IN": 8,
        "NL": 6,
        "CA": 6,
        "BR": 5,
        "JP": 4,
        "ES": 4,
        "PL": 3,
    }
)

PAGES = (
    "/",
    "/pricing",
    "/features",
    "/docs",
    "/blog",
    "/docs/getting-started",
    "/about",
    "/contact",
    "/docs/api",
    "/changelog",
    "/customers",
    "/careers",
)


def page_names(number: int) -> list[str]:
    """So many paths, most viewed first."""
    return [*PAGES, *(f"/blog/post-{n}" for n in range(1, number + 1 - len(PAGES)))][:number]


# What a visitor does besides looking, with what is told of it.
ACTIONS = Weighted[tuple[str, str, tuple[str, ...]]](
    {
        ("search", "query", ("analytics", "export", "sso", "self-hosted")): 5,
        ("signup", "plan", ("free", "pro", "team")): 2,
        ("download", "file", ("guide.pdf", "footfall.tar.gz")): 2,
        ("video_play", "title", ("tour", "interview")): 1,
    }
)
ACTION_SHARE = 0.06
