"""Answers counted in plain Python, event by event: what every other way must equal."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypedDict

from reporting.ask.query import Query
from shared.event import PAGE_VIEW, Event
from worker.enrich.clients import client_from
from worker.enrich.sources import source_from


class Numbers(TypedDict):
    """Of some events."""

    views: int
    unique_users: int


class Row(Numbers):
    """A line of a breakdown."""

    value: str


FIRST_OF_WEEK = {"monday": 1, "saturday": 6, "sunday": 7}
STEPS = {"minute": 60_000, "hour": 3_600_000}


def value_of(event: Event, dimension: str) -> str | None:
    if dimension in ("browser", "os", "device"):
        value: str | None = getattr(client_from(event.user_agent), dimension)
        return value
    if dimension == "referrer":
        return source_from(event.referrer, event.site_id, event.hostname)
    found: str | None = getattr(event, dimension)
    return found


def local_day(event: Event, query: Query) -> date:
    return datetime.fromtimestamp(event.timestamp / 1000, UTC).astimezone(query.zone).date()


def asked_for(events: Iterable[Event], query: Query) -> list[Event]:
    return [
        event
        for event in events
        if event.site_id == query.site_id
        and query.first_day <= local_day(event, query) <= query.last_day
        and all(value_of(event, name) == value for name, value in query.filters)
    ]


def is_view(event: Event, query: Query) -> bool:
    if query.event_type is None and query.dimension != "event_type":
        return event.event_type == PAGE_VIEW
    return query.event_type in (None, "all", event.event_type)


def is_counted_user(event: Event, query: Query) -> bool:
    return event.user_id is not None and query.event_type in (None, "all", event.event_type)


def numbers(events: Iterable[Event], query: Query) -> Numbers:
    events = list(events)
    return {
        "views": sum(is_view(event, query) for event in events),
        "unique_users": len({e.user_id for e in events if is_counted_user(e, query)}),
    }


def rows(events: Iterable[Event], query: Query, dimension: str) -> list[Row]:
    by_value: dict[str, list[Event]] = {}
    for event in asked_for(events, query):
        value = value_of(event, dimension)
        if value is not None:
            by_value.setdefault(value, []).append(event)
    found = [Row(value=value, **numbers(of, query)) for value, of in by_value.items()]
    seen = [row for row in found if row["views"]]
    return sorted(seen, key=lambda row: (-row["views"], row["value"].encode()))[: query.limit]


def stats(events: Iterable[Event], query: Query) -> dict[str, Any]:
    mine = asked_for(events, query)
    counted = numbers(mine, query)
    return {
        "total_views": counted["views"],
        "unique_users": counted["unique_users"],
        "top_paths": [
            {"path": row["value"], "views": row["views"]} for row in rows(events, query, "path")
        ],
        "total_events": len(mine),
    }


def points(events: Iterable[Event], query: Query) -> dict[object, Numbers]:
    """By the first day of each bucket, or the number of each minute or hour."""
    by_bucket: dict[object, list[Event]] = {}
    for event in asked_for(events, query):
        by_bucket.setdefault(bucket_of(event, query), []).append(event)
    return {bucket: numbers(of, query) for bucket, of in by_bucket.items()}


def bucket_of(event: Event, query: Query) -> object:
    if query.interval in STEPS:
        return (event.timestamp - query.start) // STEPS[query.interval]
    day = local_day(event, query)
    if query.interval == "week":
        day -= timedelta(days=(day.isoweekday() - FIRST_OF_WEEK[query.week_start]) % 7)
    if query.interval == "month":
        day = day.replace(day=1)
    return max(day, query.first_day)
