"""Whether all that was posted is stored once, counted once and told as it is: faults, in words.

What is compared was counted three times: from what was posted, by plain SQL over `events`, and by
reporting.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, Table, func, select

from bench.upgrade.traffic import Day, Traffic
from shared.clock import DAY_MS, iso_from_ms
from shared.db.database import writing_engine
from shared.db.tables import events, users
from shared.settings import Settings
from tests.counted import differences

Days = dict[tuple[str, int], Day]
MOST_PATHS = 1000
# Where an event is that was taken, and sent again.
TAKEN_TWICE = {"accepted", "duplicates", "dropped"}


def faults_of(settings: Settings, client: Any, traffic: Traffic, resent: int = 0) -> list[str]:
    """What is wrong once nothing waits any more, if anything is. `client` asks reporting; so many
    events at most were `resent` because their answer was lost."""
    engine = writing_engine(settings)
    try:
        stored = days_stored(engine)
        return [
            *faults_of_ledger(client.get("/pipeline/status").get_json(), traffic, resent),
            *faults_of_ids(engine, traffic),
            *faults_of_numbers(engine),
            *(f"verify: {line}" for line in differences(settings)),
            *unlike(traffic.days, stored, "stored"),
            *unlike(stored, days_told(client, stored), "told"),
        ]
    finally:
        engine.dispose()


def faults_of_ledger(ledger: dict[str, Any], traffic: Traffic, resent: int) -> Iterator[str]:
    expected = {
        "accepted": len(traffic.posted),
        "stored": len(traffic.ids),
        "duplicates": traffic.repeats,
        "dropped": traffic.crawled,
        "dead": 0,
        "queued": 0,
        "processing": 0,
        "failed_batches": 0,
        "balanced": True,
    }
    found = ledger | {"dropped": sum(ledger["dropped"].values())}
    for name, value in expected.items():
        more = resent if name in TAKEN_TWICE else 0
        if not value <= found[name] <= value + more:
            yield f"ledger: {name} is {found[name]}, not {value}, at most {more} more"


def faults_of_ids(engine: Engine, traffic: Traffic) -> Iterator[str]:
    with engine.connect() as connection:
        stored = Counter(connection.scalars(select(events.c.event_id)))
    for name, ids in (
        ("missing", traffic.ids - stored.keys()),
        ("of nobody", stored.keys() - traffic.ids),
        ("more than once", {event_id for event_id, number in stored.items() if number > 1}),
    ):
        if ids:
            yield f"ids {name}: {len(ids)}, as {min(ids)}"


def faults_of_numbers(engine: Engine) -> Iterator[str]:
    shared = (
        select(users.c.site_id, users.c.number)
        .group_by(users.c.site_id, users.c.number)
        .having(func.count() > 1)
    )
    with engine.connect() as connection:
        for site_id, number in connection.execute(shared):
            yield f"number {number} of {site_id} is more than one user's"


def days_stored(engine: Engine) -> Days:
    """By plain SQL; not a line of ours."""
    days: Days = {}
    statement = "SELECT site_id, timestamp, event_type, path, user_id FROM events"
    with engine.connect() as connection:
        for site_id, timestamp, event_type, path, user_id in connection.exec_driver_sql(statement):
            key = text_of(site_id), timestamp // DAY_MS * DAY_MS
            day = days.setdefault(key, Day())
            day.events += 1
            day.users.add(text_of(user_id))
            if text_of(event_type) == "page_view":
                day.views += 1
                day.paths[text_of(path)] += 1
    return days


def text_of(value: Any) -> str:
    """A server without a collation that is exact keeps text as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def days_told(client: Any, days: Days) -> dict[tuple[str, int], dict[str, Any]]:
    told = {}
    for site_id, day in days:
        query = {"site_id": site_id, "date": iso_from_ms(day)[:10], "limit": str(MOST_PATHS)}
        told[site_id, day] = client.get("/stats", query_string=query).get_json()
    return told


def unlike(expected: Days, found: dict[tuple[str, int], Any], how: str) -> Iterator[str]:
    for key in sorted(expected.keys() | found.keys()):
        there, other = expected.get(key), found.get(key)
        counts = [None if day is None else counts_of(day) for day in (there, other)]
        if counts[0] != counts[1]:
            yield f"{key}: {how} {counts[1]}, not {counts[0]}"


def counts_of(day: Any) -> tuple[Any, ...]:
    """Events, views, users and paths; of an answer the same."""
    if isinstance(day, Day):
        return day.events, day.views, len(day.users), sorted(day.paths.items())
    paths = sorted((path["path"], path["views"]) for path in day["top_paths"])
    return day["total_events"], day["total_views"], day["unique_users"], paths


def is_at_rest(engine: Engine, client: Any, tables: tuple[Table, ...]) -> bool:
    """Whether nothing waits in Redis, nor in these tables."""
    status = client.get("/pipeline/status").get_json()
    if any(status.get(name, 1) for name in ("spooled", "queued", "processing")):
        return False
    with engine.begin() as connection:
        return not any(
            connection.execute(select(table.c.bucket).limit(1)).first() for table in tables
        )
