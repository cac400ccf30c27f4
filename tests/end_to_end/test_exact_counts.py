"""10,000 events by eight clients at once: /stats equals a count made apart from it."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis

from tests.servers import wait_until
from tests.stack import Client, Stack, tracebacks

EVENTS = 10_000
USERS = 500
CLIENTS = 8
# A batch whose worker is gone waits for the end of its lease.
ADOPTED_SECONDS = 120
SITES = ("shop.example", "büro.example")
FIRST_DAY = datetime(2025, 11, 14, tzinfo=UTC)
DAYS = 3
# Non-ASCII, case, trailing space and two spellings of ä: each is a page of its own.
ODD_PATHS = ("/", "/a", "/A", "/a ", "/größe", "/gro\u0308ße", "/日本語", "/🚀", "/z")
PATHS = (*ODD_PATHS, *(f"/p{number}" for number in range(40)))


@dataclass(frozen=True)
class Sent:
    """One event as the test knows it, whatever was written in the request."""

    site_id: str
    moment: datetime
    event_type: str
    path: str | None
    user_id: str | None


def make_events(random_: random.Random) -> list[Sent]:
    """Events over three days, many of them at the edges of a day."""
    edges = [timedelta(), timedelta(milliseconds=1), timedelta(days=1) - timedelta(milliseconds=1)]
    made = []
    for _ in range(EVENTS):
        within = timedelta(milliseconds=random_.randrange(86_400_000))
        offset = random_.choice(edges) if random_.random() < 0.2 else within
        made.append(
            Sent(
                random_.choice(SITES),
                FIRST_DAY + timedelta(days=random_.randrange(DAYS)) + offset,
                random_.choice(["page_view"] * 6 + ["pageview", "signup", "click"]),
                None if random_.random() < 0.05 else random_.choice(PATHS),
                None if random_.random() < 0.05 else f"user-{random_.randrange(USERS)}",
            )
        )
    return made


def as_request(sent: Sent, random_: random.Random) -> dict[str, Any]:
    """The event as some client would write it."""
    zone = timezone(timedelta(minutes=random_.choice([0, 330, -480, 765])))
    millis = round(sent.moment.timestamp() * 1000)
    timestamp = random_.choice(
        [sent.moment.astimezone(zone).isoformat(), millis, str(millis), millis / 1000]
    )
    path = sent.path and random_.choice([sent.path, f"https://{sent.site_id}{sent.path}?q=1#x"])
    fields = {
        "site_id": sent.site_id,
        random_.choice(["event_type", "name"]): sent.event_type,
        random_.choice(["timestamp", "createdAt"]): timestamp,
        random_.choice(["path", "url", "page_url"]): path,
        random_.choice(["user_id", "userId", "uniqueId"]): sent.user_id,
    }
    return {name: value for name, value in fields.items() if value is not None}


def repeated(
    requests: list[dict[str, Any]], random_: random.Random
) -> tuple[list[dict[str, Any]], int]:
    """Each with an id of its own, and a tenth of them again, somewhere else; how many these are."""
    keyed = [request | {"event_id": f"e{number}"} for number, request in enumerate(requests)]
    again = random_.sample(keyed, len(keyed) // 10)
    mixed = keyed + again
    random_.shuffle(mixed)
    return mixed, len(again)


def post_all(stack: Stack, requests: list[dict[str, Any]], random_: random.Random) -> None:
    """Post one by one and in batches of all sizes; every answer must be 202."""
    client = stack.door()
    while requests:
        size = random_.choice([1, 1, 1, 2, 10, 100])
        group, requests = requests[:size], requests[size:]
        status, answer = post_group(client, group, random_)
        assert status == 202, answer
        assert answer.get("rejected", []) == []


def post_group(client: Client, group: list[dict[str, Any]], random_: random.Random) -> Any:
    if len(group) == 1:
        return client.post(group[0])
    body: Any = group if random_.random() < 0.5 else {"events": group}
    return client.post(body, random_.choice(["/event", "/events"]))


def in_threads(functions: list[Callable[[], None]]) -> None:
    """Run all at once; the first error is raised."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if errors:
        raise errors[0]


def expected_stats(sent: list[Sent], site_id: str, days: list[date], zone: str) -> dict[str, Any]:
    """The answer of /stats, counted in the plainest way."""
    there = ZoneInfo(zone)
    mine = [s for s in sent if s.site_id == site_id and s.moment.astimezone(there).date() in days]
    views = [s for s in mine if s.event_type in ("page_view", "pageview")]
    paths = Counter(s.path for s in views if s.path is not None)
    ranked = sorted(paths.items(), key=lambda item: (-item[1], item[0].encode()))
    return {
        "total_views": len(views),
        "unique_users": len({s.user_id for s in mine if s.user_id is not None}),
        "top_paths": [{"path": path, "views": number} for path, number in ranked[:1000]],
        "total_events": len(mine),
    }


def test_stats_equal_an_independent_count(stack: Stack) -> None:
    random_ = random.Random(20251114)
    sent = make_events(random_)
    requests = [as_request(s, random_) for s in sent]
    in_threads(
        [partial(post_all, stack, requests[n::CLIENTS], random.Random(n)) for n in range(CLIENTS)]
    )
    ledger = stack.settle()
    assert ledger["accepted"] == ledger["stored"] == EVENTS
    assert ledger["balanced"]
    check_stats(stack, sent)
    assert (
        stack.stats(site_id=SITES[0], date="2025-11-15")
        == (stack.reports().get("/stats/aggregated", site_id=SITES[0], date="2025-11-15")[1])
    )
    assert tracebacks(stack.processes) == ""
    wait_until(lambda: jobs_left(stack) == 0)  # finished ones leave nothing


@pytest.mark.parametrize("database_url", ["oceanbase"], indirect=True)
def test_with_repeats_and_workers_killed_they_still_do(stack: Stack) -> None:
    """Of workers killed on the others, test_crashes tells."""
    random_ = random.Random(20251115)
    sent = make_events(random_)
    requests, repeats = repeated([as_request(s, random_) for s in sent], random_)
    posting = [
        partial(post_all, stack, requests[n::CLIENTS], random.Random(n)) for n in range(CLIENTS)
    ]
    in_threads([*posting, partial(kill_in_the_middle, stack)])
    ledger = stack.settle(ADOPTED_SECONDS)
    assert (ledger["stored"], ledger["duplicates"]) == (EVENTS, repeats)
    assert ledger["balanced"]
    check_stats(stack, sent)
    assert tracebacks(stack.processes) == ""


def kill_in_the_middle(stack: Stack) -> None:
    """All workers, once they are stopped with a batch in their hands."""
    wait_until(lambda: has_batches(stack) and are_stopped_at_work(stack))
    for worker in stack.workers:
        worker.kill()
        worker.start()


def has_batches(stack: Stack) -> bool:
    return bool(stack.status()["processing"])


def are_stopped_at_work(stack: Stack) -> bool:
    """They go on where they were between two batches."""
    for worker in stack.workers:
        worker.pause()
    if has_batches(stack):
        return True
    for worker in stack.workers:
        worker.resume()
    return False


def check_stats(stack: Stack, sent: list[Sent]) -> None:
    """Of each site, in zones before and behind UTC, for days one by one and together."""
    all_days = [FIRST_DAY.date() + timedelta(days=n) for n in range(-1, DAYS + 1)]
    for site_id in SITES:
        for zone in ("UTC", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Chatham"):
            for days in [*([day] for day in all_days), all_days, all_days[1:3]]:
                span = {"from": days[0], "to": days[-1]} if len(days) > 1 else {"date": days[0]}
                answer = stack.stats(site_id=site_id, tz=zone, limit=1000, **span)
                expected = expected_stats(sent, site_id, days, zone)
                assert {name: answer[name] for name in expected} == expected


def jobs_left(stack: Stack) -> int:
    with redis.Redis.from_url(stack.settings.redis_url) as client:
        return len(client.keys("rq:job:*"))
