"""The made-up traffic: the same for the same seed, shaped like people, and no faster than they."""

from collections import Counter, defaultdict
from typing import Any

import pytest

from footfall.load.traffic.catalogue import AGENTS, CRAWLERS, page_names
from footfall.load.traffic.traffic import BURST_VIEWS, Shape, Traffic, users_for
from shared.event import PAGE_VIEW
from worker.enrich.clients import client_from

# What the bot rule lets pass of one user in one second.
BURST_LIMIT = 10


def made(shape: Shape, number: int, run_id: str = "run") -> list[dict[str, Any]]:
    """So many events, at the times at which the plan would have them."""
    traffic = Traffic("site", shape, run_id)
    return [traffic.next_event(int(n * 1000 / shape.rate))[0] for n in range(number)]


def test_the_same_run_id_makes_the_same_events() -> None:
    shape = Shape(100, bots=0.1)
    assert made(shape, 500) == made(shape, 500)
    assert made(shape, 500, "another") != made(shape, 500)


def test_every_event_has_an_id_of_its_own() -> None:
    events = [*made(Shape(100, bots=0.1), 1000), *made(Shape(100), 1000, "another")]
    assert len({event["event_id"] for event in events}) == 2000


def test_paths_are_viewed_by_zipfs_law() -> None:
    views = Counter(
        event["path"].partition("?")[0]
        for event in made(Shape(1000, paths=100), 30_000)
        if event["event_type"] == PAGE_VIEW
    )
    first, second, tenth = (views[page_names(100)[rank]] for rank in (0, 1, 9))
    assert len(views) == 100
    assert first / second == pytest.approx(2, rel=0.15)
    assert first / tenth == pytest.approx(10, rel=0.2)


def test_a_session_is_one_visitor_who_came_from_one_place() -> None:
    sessions = defaultdict(list)
    for event in made(Shape(100), 20_000):
        sessions[event["session_id"]].append(event)
    views = [sum(e["event_type"] == PAGE_VIEW for e in events) for events in sessions.values()]
    assert sum(views) / len(views) == pytest.approx(3, rel=0.1)
    for events in sessions.values():
        assert len({(event["user_id"], event["user_agent"]) for event in events}) == 1
        assert sum("referrer" in event for event in events) <= 1
        assert sum("utm_" in event.get("path", "") for event in events) <= 1


def test_visitors_come_back_as_they_were() -> None:
    agents = defaultdict(set)
    sessions = defaultdict(set)
    for event in made(Shape(10, users=50), 2000):
        agents[event["user_id"]].add(event["user_agent"])
        sessions[event["user_id"]].add(event["session_id"])
    assert max(map(len, agents.values())) == 1
    assert min(map(len, sessions.values())) > 1


@pytest.mark.parametrize(
    "shape",
    [Shape(1), Shape(1000), Shape(1000, users=200), Shape(10_000, users=users_for(10_000))],
)
def test_no_visitor_is_fast_enough_to_be_taken_for_a_robot(shape: Shape) -> None:
    events = made(shape, int(shape.rate * 5))
    assert shape.users >= shape.fewest_users
    assert max(views_by_second(events).values()) <= BURST_LIMIT / 2


def views_by_second(events: list[dict[str, Any]]) -> Counter[tuple[str, int]]:
    return Counter(
        (event["user_id"], event["timestamp"] // 1000)
        for event in events
        if event["event_type"] == PAGE_VIEW
    )


def test_robots_make_their_share_and_are_what_the_bot_rule_looks_for() -> None:
    events = made(Shape(1000, bots=0.02), 50_000)
    robots = [event for event in events if event["user_id"].startswith("robot")]
    assert len(robots) / len(events) == pytest.approx(0.02, rel=0.02)
    crawled = [event for event in robots if is_bot(event["user_agent"])]
    bursts = views_by_second([event for event in robots if not is_bot(event["user_agent"])])
    assert crawled
    assert set(bursts.values()) <= {BURST_VIEWS, len(robots) % BURST_VIEWS}
    assert BURST_VIEWS > BURST_LIMIT
    visitors = [event for event in events if event["user_id"].startswith("visitor")]
    assert not any(is_bot(event["user_agent"]) for event in visitors)


def test_browsers_are_told_from_crawlers() -> None:
    assert all(map(is_bot, CRAWLERS.values))
    assert not any(map(is_bot, AGENTS.values))
    assert len({client_from(agent).browser for agent in AGENTS.values}) >= 6
    assert {client_from(agent).device for agent in AGENTS.values} == {"desktop", "mobile", "tablet"}


def is_bot(agent: str) -> bool:
    return client_from(agent).device == "bot"
