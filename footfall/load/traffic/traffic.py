"""Endless events of one site, as many visitors at a time would make them.

Think time is collapsed to a turn: each active session acts once a turn of some two seconds, so that
no visitor has more than a few page views in one second, which the bot rule would take for a robot.
What it should catch comes from `bots`: crawlers, and users who view a burst of pages at once.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from footfall.load.traffic.catalogue import CRAWLERS
from footfall.load.traffic.sessions import Session, draw_session, next_event, pages
from shared.event import PAGE_VIEW

TURN_SECONDS = 2
MOST_VIEWS_PER_SECOND = 5
FEW_USERS = 10_000
# Half as many again as the bot rule lets pass.
BURST_VIEWS = 15


@dataclass(frozen=True)
class Shape:
    """How the traffic looks; `bots` is the share of events that come from robots, 0 to 1."""

    rate: float
    users: int = FEW_USERS
    paths: int = 500
    bots: float = 0.0

    @property
    def fewest_users(self) -> int:
        """With fewer, everybody would have to be faster than a person."""
        return max(1, round(self.rate / MOST_VIEWS_PER_SECOND))


def users_for(rate: float) -> int:
    """Users enough that most of them are away at any time."""
    return max(FEW_USERS, round(rate * TURN_SECONDS * 5))


class Traffic:
    """The same site, shape and run id make the same events, apart from their times.

    Event ids begin with the run id.
    """

    def __init__(self, site_id: str, shape: Shape, run_id: str) -> None:
        self.site_id = site_id
        self.run_id = run_id
        self.random = Random(run_id)  # noqa: S311  # no secret
        self.paths = pages(shape.paths)
        self.bots = shape.bots
        self.idle = list(range(shape.users))
        self.sessions = 0
        self.made = 0
        active = min(shape.users, max(1, round(shape.rate * TURN_SECONDS)))
        self.active = deque(self.begin() for _ in range(active))
        self.robots: Iterator[dict[str, Any]] = iter(())
        self.robot_views = 0

    def next_event(self, timestamp: int) -> tuple[dict[str, Any], str]:
        """The event at this time, in ms, and the country it comes from."""
        self.made += 1
        robot = self.next_robot(timestamp)
        event, country = (robot, "") if robot else self.of_a_visitor(timestamp)
        event["site_id"] = self.site_id
        event["event_id"] = f"{self.run_id}-{self.made:x}"
        return event, country

    def of_a_visitor(self, timestamp: int) -> tuple[dict[str, Any], str]:
        user, session = self.active.popleft()
        event = next_event(self.random, session, self.paths)
        event["timestamp"] = timestamp
        if session.has_ended:
            self.idle.append(user)
            self.active.append(self.begin())
        else:
            self.active.append((user, session))
        return event, session.country

    def begin(self) -> tuple[int, Session]:
        """A new session of somebody who is not here yet."""
        chosen = int(self.random.random() * len(self.idle))
        self.idle[chosen], self.idle[-1] = self.idle[-1], self.idle[chosen]
        user = self.idle.pop()
        self.sessions += 1
        return user, draw_session(self.random, f"visitor-{user}", f"session-{self.sessions}")

    def next_robot(self, timestamp: int) -> dict[str, Any] | None:
        """A robot's event, if it is a robot's turn: they come a burst at a time, at their share."""
        event = next(self.robots, None)
        if event is None and self.robot_views < self.bots * self.made:
            self.robots = self.burst(timestamp)
            event = next(self.robots)
        if event is not None:
            self.robot_views += 1
        return event

    def burst(self, timestamp: int) -> Iterator[dict[str, Any]]:
        """A crawler that says so, or a user who views more pages in one second than anybody can."""
        is_crawler = self.random.random() < 0.5
        robot = draw_session(self.random, f"robot-{self.made}", f"robot-{self.made}")
        agent = CRAWLERS.draw(self.random) if is_crawler else robot.user_agent
        for _ in range(BURST_VIEWS):
            yield {
                "event_type": PAGE_VIEW,
                "path": self.paths.draw(self.random),
                "user_id": robot.user_id,
                "session_id": robot.session_id,
                "user_agent": agent,
                "timestamp": timestamp,
            }
