"""The service: keys, faults, the ledger, and that it never writes."""

import dataclasses
import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from werkzeug.test import TestResponse

from reporting import app as reporting_app
from reporting.answers.ledger import Settled, unaccounted
from reporting.app import create_app
from reporting.http.calls import is_admin
from shared.event import encode_event
from shared.http.methods import READING
from shared.queue.event_queue import Backlog, EventQueue
from shared.queue.spooled import SILENT_MS, Spooled
from shared.settings import Settings
from tests.conftest import MakeQueue
from tests.events import NOW, make_event
from tests.failover import Pair
from tests.reporting.conftest import Store
from tests.servers import ValkeyServer, wait_until
from worker.batch.commit import commit_batch


def test_stats_has_the_documented_shape_and_order(reports: FlaskClient, store: Store) -> None:
    store(make_event(1, path="/b"), make_event(2, path="/a"), make_event(3, event_type="signup"))
    answer = reports.get("/stats?site_id=site-a&date=2025-11-15")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "site_id": "site-a",
        "date": "2025-11-15",
        "total_views": 2,
        "unique_users": 1,
        "top_paths": [{"path": "/a", "views": 1}, {"path": "/b", "views": 1}],
        "total_events": 3,
    }
    keys = list(answer.get_json())
    assert keys == [
        "site_id",
        "date",
        "total_views",
        "unique_users",
        "top_paths",
        "total_events",
    ]
    assert reports.get("/stats/aggregated?site_id=site-a&date=2025-11-15").data == answer.data


def test_a_range_is_named_by_from_and_to(reports: FlaskClient) -> None:
    answer = reports.get("/stats?site_id=s&from=2025-11-01&to=2025-11-02").get_json()
    assert (answer["from"], answer["to"]) == ("2025-11-01", "2025-11-02")
    assert "date" not in answer


@pytest.mark.parametrize("path", ["/stats", "/stats/aggregated", "/sites", "/pipeline/status"])
def test_reporting_cannot_be_written_to(reports: FlaskClient, path: str) -> None:
    assert reports.post(path).status_code == 405


def test_the_connection_itself_refuses_to_write(reading: Engine) -> None:
    with pytest.raises(DBAPIError), reading.begin() as connection:
        connection.execute(text("DELETE FROM events"))


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        ("/stats?site_id=s", None, 401),
        ("/stats?site_id=s", "wrong", 401),
        ("/stats?site_id=s", "Bearer wrong", 401),
        ("/stats?site_id=s", "sesame", 200),
        ("/stats?site_id=s", "Bearer sesame", 200),
        ("/stats?site_id=s", "bearer  sesame ", 200),
        ("/stats?site_id=s", "sésame", 401),
        ("/sites", None, 401),
        ("/pipeline/status", None, 401),
        ("/system", None, 401),
        ("/metrics", None, 401),
        ("/docs", None, 200),
        ("/openapi.json", None, 200),
        ("/nowhere", None, 401),
        ("/health", None, 200),
        ("/ready", None, 200),
    ],
)
def test_a_key_is_asked_for_wherever_there_are_numbers(
    reporting_settings: Settings, writing: Engine, path: str, header: str | None, status: int
) -> None:
    app = create_app(dataclasses.replace(reporting_settings, api_auth="sesame"))
    headers = {"Authorization": header} if header else {}
    assert app.test_client().get(path, headers=headers).status_code == status


def test_with_the_database_away_the_answer_is_503_and_health_is_well(settings: Settings) -> None:
    away = dataclasses.replace(settings, database_url="mysql://nobody@127.0.0.1:1/none")
    client = create_app(away).test_client()
    for path in ("/stats?site_id=s", "/sites", "/pipeline/status", "/system", "/ready"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert answer.get_json()["code"] == "database_unavailable"
        assert answer.headers["Retry-After"]
    assert client.get("/health").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_a_database_without_tables_says_what_to_do(settings: Settings, database_url: str) -> None:
    bare = dataclasses.replace(settings, database_url=database_url)
    answer = create_app(bare).test_client().get("/stats?site_id=s")
    assert answer.status_code == 503
    assert "make migrate" in answer.get_json()["error"]


@pytest.mark.parametrize(
    ("statement", "lack"),
    [
        ("DROP TABLE events_by_week", "the table events_by_week"),
        ("ALTER TABLE segments DROP COLUMN known_columns", "the column segments.known_columns"),
    ],
)
def test_it_is_not_ready_while_the_database_lacks_something(
    reports: FlaskClient, writing: Engine, statement: str, lack: str
) -> None:
    assert reports.get("/ready").status_code == 200
    with writing.begin() as connection:
        connection.execute(text(statement))
    answer = reports.get("/ready")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "not_migrated")
    assert answer.get_json()["error"] == f"the database lacks {lack}; run `make migrate`"
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE outcomes", "ALTER TABLE outcomes RENAME COLUMN events TO number"],
)
def test_what_turns_out_to_be_missing_is_said_and_is_no_bug(
    reports: FlaskClient, writing: Engine, statement: str
) -> None:
    with writing.begin() as connection:
        connection.execute(text(statement))
    answer = reports.get("/pipeline/status")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "not_migrated")


def test_with_redis_away_stats_answers_and_the_ledger_does_not(
    reports: FlaskClient, valkey: ValkeyServer
) -> None:
    valkey.kill()
    assert reports.get("/stats?site_id=s").status_code == 200
    for path in ("/pipeline/status", "/system", "/ready"):
        answer = reports.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "queue_unavailable")


def test_a_redis_that_was_demoted_is_not_read_for_long(
    reporting_settings: Settings,
    writing: Engine,
    make_queue: MakeQueue,
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def accepted() -> int:
        return int(client.get("/pipeline/status").get_json()["accepted"])

    monkeypatch.setattr(reporting_app, "CONNECTION_SECONDS", 0.2)
    moved = dataclasses.replace(reporting_settings, redis_url=pair.url)
    client = create_app(moved, clock=lambda: NOW).test_client()
    assert accepted() == 0
    pair.move()
    with pair.replica.client() as admin:
        admin.replicaof("127.0.0.1", "1")  # it hears of nothing any more
    make_queue(redis_url=pair.url).push([encode_event(make_event(1))])
    wait_until(lambda: accepted() == 1, 5)


def test_unknown_routes_and_methods_are_answered_in_json(reports: FlaskClient) -> None:
    assert reports.get("/nowhere").get_json()["code"] == "not_found"
    answer = reports.delete("/stats")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_no_route_takes_a_method_that_is_refused_to_all(reports: FlaskClient) -> None:
    rules = [rule for rule in reports.application.url_map.iter_rules() if not is_admin(rule.rule)]
    assert {method for rule in rules for method in rule.methods or ()} == set(READING)


@pytest.mark.parametrize("path", ["/stats/", "//stats", "//stats/aggregated//"])
def test_a_path_with_slashes_too_many_is_the_same_route(reports: FlaskClient, path: str) -> None:
    query = "site_id=site-a&date=2025-11-15"
    answer = asked_at(reports, path, query)
    assert (answer.status_code, answer.data) == (200, reports.get(f"/stats?{query}").data)


def asked_at(client: FlaskClient, path: str, query: str = "") -> TestResponse:
    """The answer to GET of these very characters: to the client itself, `//` begins a host."""
    return client.get("/", environ_overrides={"PATH_INFO": path, "QUERY_STRING": query})


def test_slashes_too_many_open_no_route_and_close_none(reporting_settings: Settings) -> None:
    app = create_app(dataclasses.replace(reporting_settings, api_auth="sesame"))
    client = app.test_client()
    page = client.get("/").data
    for path in ("//", "///"):
        assert asked_at(client, path).data == page
    for path in ("//health", "/health/", "/ready//"):
        assert asked_at(client, path).status_code in {200, 503}
    for path in ("//stats", "/sites/", "//metrics/", "/health//../sites", "//users/a/sessions"):
        assert asked_at(client, path, "site_id=s").status_code in {401, 404}
    asset = re.search(rb'"(assets/[^"]+)"', page)
    assert asset
    path = asset[1].decode()
    assert asked_at(client, f"//{path}").data == client.get(f"/{path}").data
    app.close()


def test_a_minute_s_counter_may_be_asked_for_with_a_slash_at_its_end(reports: FlaskClient) -> None:
    path = "/analytics/minute-buckets/page_view_2024-06-07_12:34"
    assert reports.get(f"{path}/").get_json() == reports.get(path).get_json()


def test_system_tells_of_redis_and_the_database(reports: FlaskClient, store: Store) -> None:
    store(make_event(1))
    answer = reports.get("/system").get_json()
    assert answer["database"]["kind"] in ("sqlite", "mariadb", "mysql")
    # OceanBase knows it when it has looked.
    assert answer["database"]["size_bytes"] > 0 or answer["database"]["kind"] == "mysql"
    assert (answer["database"]["log_bytes"] is None) == (answer["database"]["kind"] != "sqlite")
    assert answer["redis"]["memory_bytes"] > 0
    assert answer["uptime_seconds"] >= 0


def test_the_ledger_adds_up_on_the_way_and_at_the_end(
    reporting_settings: Settings, reports: FlaskClient, writing: Engine
) -> None:
    queue = EventQueue(dataclasses.replace(reporting_settings, batch_size=4))
    queue.push([encode_event(make_event(number % 8)) for number in range(10)])
    seen = [reports.get("/pipeline/status").get_json()]
    while batch := queue.claim():
        seen.append(reports.get("/pipeline/status").get_json())
        commit_batch(writing, batch, NOW)
        seen.append(reports.get("/pipeline/status").get_json())
        queue.finish(batch.id)
        seen.append(reports.get("/persistent/status").get_json())
    assert all(status["balanced"] for status in seen)
    last = seen[-1]
    expected = {"accepted": 10, "stored": 8, "duplicates": 2, "dead": 0, "queued": 0}
    assert {name: last[name] for name in expected} == expected
    assert last["oldest_queued_seconds"] is None
    assert seen[0]["oldest_queued_seconds"] == 0
    queue.redis.close()


def test_what_spools_have_told_is_accepted_and_balanced(
    reporting_settings: Settings, reports: FlaskClient
) -> None:
    queue = EventQueue(reporting_settings)
    queue.push([encode_event(make_event(1))])
    for name, events, age in (("a", 3, 5_000), ("b", 4, 9_000)):
        queue.report_spool(name, Spooled(events, 100 * events, NOW - age, NOW))
    told = reports.get("/pipeline/status").get_json()
    assert (told["accepted"], told["spooled"], told["balanced"]) == (8, 7, True)
    assert told["oldest_spooled_seconds"] == 9
    assert told["queued_bytes"] == len(encode_event(make_event(1)))
    assert told["silent_spooled"] == 0
    queue.report_spool("b", Spooled(4, 400, NOW - 2 * SILENT_MS, NOW - SILENT_MS - 1))
    silent = reports.get("/pipeline/status").get_json()
    assert (silent["spooled"], silent["silent_spooled"], silent["balanced"]) == (7, 4, True)
    queue.report_spool("a", None)
    queue.report_spool("b", None)
    over = reports.get("/pipeline/status").get_json()
    assert (over["accepted"], over["spooled"], over["oldest_spooled_seconds"]) == (1, 0, None)
    queue.close()


@pytest.mark.parametrize(
    ("before", "backlog", "after", "balanced"),
    [
        (10, (10, 0, 0), 10, True),
        (5, (10, 0, 0), 10, True),  # committed and finished between the two looks
        (10, (10, 0, 5), 10, True),  # committed, not yet finished
        (9, (10, 0, 0), 9, False),  # one left Redis and is nowhere
        (11, (10, 0, 0), 11, False),  # one is counted twice
        (10, (15, 5, 0), 10, True),
        (10, (15, 4, 0), 10, False),
    ],
)
def test_what_is_lost_or_doubled_unbalances_the_ledger(
    before: int, backlog: tuple[int, int, int], after: int, balanced: bool
) -> None:
    def settled(stored: int) -> Settled:
        return Settled(stored, 0, 0, {})

    in_redis = Backlog(*backlog, failed_batches=0, oldest_received_at=None, batch_ids=[])
    assert (unaccounted(settled(before), in_redis, settled(after)) == 0) is balanced


def test_metrics_carry_the_ledger(reports: FlaskClient, store: Store) -> None:
    store(make_event(1), make_event(1))
    body = reports.get("/metrics").get_data(as_text=True)
    assert 'footfall_events_total{outcome="stored",reason=""} 1.0' in body
    assert 'footfall_events_total{outcome="duplicate",reason=""} 1.0' in body
