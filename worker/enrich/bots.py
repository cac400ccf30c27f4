"""The bot rule: which events are dropped, by what sent them and by how fast they came.

Crawlers say who they are. Who views more pages in a second than a person can is found by counting,
when a batch's events are inserted; see worker/counting/bursts.py.
"""

import re
from dataclasses import dataclass

from shared.event import Event
from shared.settings import Settings
from worker.enrich.clients import AUTOMATED, client_from

# What ua-parser takes for crawlers, and servers send that post events with what their language
# brings along.
LIBRARY = re.compile("(?:Python-urllib|Java)/")


@dataclass(frozen=True)
class BotRule:
    """What is dropped; nothing, unless it is said.

    `burst_limit` is the most page views of one user in one second, 0 for any number.
    """

    burst_limit: int = 0
    drops_crawlers: bool = False


def rule_from(settings: Settings) -> BotRule:
    return BotRule(settings.bot_burst_limit, settings.drop_bots)


def split_crawlers(arrived: list[Event], rule: BotRule) -> tuple[list[Event], list[Event]]:
    """The events that no known crawler sent, and those to be dropped because one did."""
    if not rule.drops_crawlers:
        return arrived, []
    people: list[Event] = []
    crawlers: list[Event] = []
    for event in arrived:
        (crawlers if is_crawler(event.user_agent) else people).append(event)
    return people, crawlers


def is_crawler(user_agent: str | None) -> bool:
    """Whether it names a crawler. A browser without a screen does not: it may test the site, and
    the tracker, for its part, leaves out every browser that a program drives."""
    client = client_from(user_agent)
    is_bot = client.device == "bot" and client.browser not in AUTOMATED
    return is_bot and not LIBRARY.match(user_agent or "")
