"""Events as websites post them: each version's own door decides how they wait and are stored."""

import json
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import NamedTuple

from shared.event import Event
from tests.stack import Client

# Of a request.
MOST_EVENTS = 1000
COUNTRY_HEADER = "X-Country"


class Post(NamedTuple):
    """The body of a request, how many events that is, and the country that they are from."""

    body: bytes
    events: int
    country: str


def make_posts(events: Sequence[Event], countries: Iterable[str]) -> list[Post]:
    """The events in their order, each request from the next of `countries`."""
    firsts = range(0, len(events), MOST_EVENTS)
    parts = [events[first : first + MOST_EVENTS] for first in firsts]
    return [
        Post(json.dumps([as_posted(event) for event in part]).encode(), len(part), country)
        for part, country in zip(parts, cycle(countries), strict=False)
    ]


def as_posted(event: Event) -> dict[str, object]:
    campaign = f"?utm_campaign={event.utm_campaign}" if event.utm_campaign else ""
    return {
        "site_id": event.site_id,
        "event_type": event.event_type,
        "timestamp": event.timestamp,
        "path": f"{event.path}{campaign}",
        "user_id": event.user_id,
        "session_id": event.session_id,
        "referrer": event.referrer,
        "user_agent": event.user_agent,
    }


def post_all(client: Client, posts: Iterable[Post]) -> None:
    for post in posts:
        headers = {"Content-Type": "application/json", COUNTRY_HEADER: post.country}
        status, answer = client.request("POST", "/events", post.body, headers)
        if status != 202 or json.loads(answer)["rejected"]:
            raise RuntimeError(f"POST /events: {status} {answer[:200]!r}")
