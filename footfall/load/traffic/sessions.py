"""One visitor's session: who it is, where it came from, and the events it is made of."""

from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any

from footfall.load.traffic.catalogue import (
    ACTION_SHARE,
    ACTIONS,
    AGENTS,
    CAMPAIGNS,
    COUNTRIES,
    REFERRERS,
    Weighted,
    page_names,
    zipf,
)
from shared.event import PAGE_VIEW

# A session has three page views on average: after each, every third visitor leaves.
LEAVING_SHARE = 1 / 3


@dataclass(slots=True)
class Session:
    """A visit that goes on; `referrer` and `campaign` belong to its first view alone."""

    user_id: str
    session_id: str
    user_agent: str
    country: str
    referrer: str | None
    campaign: str
    has_ended: bool = False


def pages(number: int) -> Weighted[str]:
    """So many paths, viewed by Zipf's law."""
    return Weighted(dict(zip(page_names(number), zipf(number), strict=True)))


def draw_session(random: Random, user_id: str, session_id: str) -> Session:
    # A visitor keeps browser and country, whenever and in whatever order they come back.
    own = blake2b(user_id.encode(), digest_size=8).digest()
    return Session(
        user_id,
        session_id,
        AGENTS.at(int.from_bytes(own[:4]) / (1 << 32)),
        COUNTRIES.at(int.from_bytes(own[4:]) / (1 << 32)),
        REFERRERS.draw(random),
        CAMPAIGNS.draw(random),
    )


def next_event(random: Random, session: Session, paths: Weighted[str]) -> dict[str, Any]:
    """What this visitor does next, without site, time and id; the session may end with it."""
    event: dict[str, Any] = {
        "event_type": PAGE_VIEW,
        "path": paths.draw(random),
        "user_id": session.user_id,
        "session_id": session.session_id,
        "user_agent": session.user_agent,
    }
    if random.random() < ACTION_SHARE:
        event["event_type"], key, values = ACTIONS.draw(random)
        event["properties"] = {key: random.choice(values)}
        return event
    if session.referrer:
        event["referrer"] = session.referrer
    if session.campaign:
        event["path"] += f"?{session.campaign}"
    session.referrer, session.campaign = None, ""
    session.has_ended = random.random() < LEAVING_SHARE
    return event
