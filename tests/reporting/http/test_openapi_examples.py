"""Every example of reporting's OpenAPI document, asked of a service that counted such events."""

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from reporting.app import create_app
from reporting.http.calls import MOST_BYTES
from reporting.http.openapi import OPENAPI
from reporting.http.seats import SEATS
from shared.db.database import writing_engine
from shared.db.tables import erasures, retention
from shared.event import Event, encode_event
from shared.keys.keys import Kind
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.sites.stored import create_site
from tests.documented import Example, conforms, examples_of, send
from tests.drained import store_all
from tests.events import make_event
from tests.keys import add_row
from tests.merged import merge
from tests.servers import free_port

# What no readable example can hold.
REQUESTS: dict[str, dict[str, Any]] = {
    "too_long": {"query": {"site_id": "x" * 256}},
    "unknown_host": {"environ": {"HTTP_HOST": "stats.example"}},
    "keys_unknown": {"headers": {"Authorization": "Bearer ff_reading"}},
    "wrong_key": {"headers": {"Authorization": "Bearer ff_posting"}},
    "key_needed": {"headers": {"X-Forwarded-For": "203.0.113.9"}},
    "other_origin": {"headers": {"Origin": "https://evil.example"}},
    "other_site": {"headers": {"Authorization": "Bearer ff_shop"}},
    "too_large": {"body": "x" * (MOST_BYTES + 1)},
    "unsupported_type": {"body": "{}"},
}
# Sentences in which an address or a driver speaks, and numbers of this machine.
VARYING = {
    "keys",
    "made",
    "rotated",
    "queue_unavailable",
    "database_unavailable",
    "not_migrated",
    "now",
}


def at(moment: str) -> int:
    """`2025-11-15T09:46:40.123` UTC in ms."""
    return round(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


# When the examples are asked.
NOW = at("2025-11-15T18:32:00")


def documented_events() -> list[Event]:
    """Events that give the numbers in the examples: 1,502 of 212 users on one day, 300 before."""
    earlier, later = at("2025-11-02T08:00:00.500"), at("2025-11-15T18:30:00")
    paths = ["/pricing"] * 700 + ["/blog/post-1"] * 500 + ["/"] * 250 + [None] * 52
    return [
        make_event(
            number,
            site_id="site-abc-123",
            timestamp=later - number,
            event_type="page_view" if path else "signup",
            path=path,
            user_id=f"user-{number % 212}",
            session_id=f"session-{number % 424}",
            properties=None if path else {"type": "trial"},
        )
        for number, path in enumerate(paths)
    ] + [
        make_event(
            2000 + number,
            site_id="site-abc-123",
            timestamp=earlier + number,
            path="/pricing",
            user_id=f"user-{160 + number % 100}",
        )
        for number in range(300)
    ]


@pytest.fixture
def counted(settings: Settings, queue: EventQueue) -> Settings:
    """Settings of an installation that has the tables and the documented events."""
    events = documented_events()
    queue.push([encode_event(event) for event in events + events[:6]])
    store_all(settings)
    engine = writing_engine(settings)
    with engine.begin() as connection:
        add_row(connection, "ff_posting", Kind.INGEST, now=NOW)
        add_row(connection, "ff_shop", Kind.ADMIN, ["shop"], now=NOW)
        connection.execute(retention.insert(), {"id": 1, "pruned_before": at("2024-01-01")})
    register(engine)
    engine.dispose()
    return settings


def register(engine: Engine) -> None:
    """What the examples of settings speak of."""
    early = at("2025-11-15T18:00:00")
    create_site(engine, "shop", {"name": "The shop", "hosts": ["shop.example"]}, early)
    create_site(engine, "news", {"aliases": ["newspaper"]}, early)
    old = {"site_id": "old", "asked_at": early, "moved": 0}
    name = "The shop's own page"
    with engine.begin() as connection:
        connection.execute(erasures.insert(), old)
        add_row(connection, "ff_1", Kind.READ, ["shop"], now=early, key_id="Xk3vPq9T", name=name)
        add_row(connection, "ff_2", Kind.READ, now=early, key_id="Gone0000", revoked_at=early)
        add_row(connection, "ff_3", Kind.READ, now=early, key_id="Once0000", successor="Xk3vPq9T")


def merge_all(settings: Settings) -> None:
    engine = writing_engine(settings)
    merge(engine)
    engine.dispose()


@contextlib.contextmanager
def running(settings: Settings, taken: int = 0) -> Iterator[Flask]:
    """So many of its seats are taken, for questions and for what tells how things stand."""
    app = create_app(settings, clock=lambda: NOW)
    with contextlib.ExitStack() as held:
        for _ in range(taken):
            for seats in (app.seats, app.status_seats, app.admin_seats):
                held.enter_context(seats.taken())
        yield app


def settings_for(example: Example, settings: Settings) -> Settings:
    """The settings under which a service answers so."""
    away = f"127.0.0.1:{free_port()}"
    changes: dict[str, dict[str, Any]] = {
        "unauthorized": {"api_auth": "key"},
        "wrong_key": {"api_auth": "key"},
        "other_site": {"api_auth": "key"},
        "keys_unknown": {
            "api_auth": "key",
            "database_url": f"mysql://footfall@{away}/footfall",
        },
        "too_slow": {"query_seconds": 0},
        "busy": {"query_seconds": 0},
        "queue_unavailable": {"redis_url": f"redis://{away}/0"},
        "database_unavailable": {"database_url": f"mysql://footfall@{away}/footfall"},
        "not_migrated": {"database_url": f"sqlite:///{settings.data_dir}/empty.db"},
    }
    return dataclasses.replace(settings, **changes.get(example.name, {}))


@pytest.mark.parametrize("example", examples_of(OPENAPI), ids=str)
def test_the_example_is_answered_as_documented(example: Example, counted: Settings) -> None:
    request = {**example.request, **REQUESTS.get(example.name, {})}
    if example.name == "too_long" and example.path.startswith("/admin/"):
        path = dict.fromkeys(example.request["path"], "x" * 256)
        request = {"path": path} if path else {"query": {"cursor": "x" * 256}}
    taken = SEATS if example.name == "busy" else 0
    if example.name == "quiet":
        merge_all(counted)
    with running(settings_for(example, counted), taken) as app:
        answer = send(app, example.method, example.path, request)
    assert answer.status_code == example.status
    for name, header in example.headers.items():
        assert answer.headers[name] == str(header.get("example", answer.headers[name]))
    if example.path == "/metrics" and example.status == 200:
        assert set(example.value.splitlines()) <= set(answer.get_data(as_text=True).splitlines())
        return
    if example.name == "csv":
        assert (answer.mimetype, answer.get_data(as_text=True)) == ("text/csv", example.value)
        return
    got = answer.get_json()
    answers = OPENAPI["paths"][example.path][example.method]["responses"][str(example.status)]
    conforms(OPENAPI, answers["content"]["application/json"]["schema"], got)
    if example.name not in VARYING:
        assert got == example.value
    elif example.status >= 400:
        assert got["code"] == example.value["code"]
    else:
        assert shape_of(got) == shape_of(example.value)


def shape_of(value: Any) -> Any:
    return {k: shape_of(v) for k, v in value.items()} if isinstance(value, dict) else None


def test_the_document_is_served_as_it_is(settings: Settings) -> None:
    told = {"headers": {"Host": OPENAPI["servers"][0]["url"].removeprefix("http://")}}
    with running(settings) as app:
        assert send(app, "get", "/openapi.json", told).get_json() == OPENAPI
