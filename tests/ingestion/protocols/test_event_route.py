import json
import time

import pytest

from ingestion.app import Ingestion
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, payloads, post, queued
from tests.promises import within_a_second
from tests.servers import ValkeyServer, wait_until

NOW = 1_763_208_000_000
KEY = "s3cret/+=~"


def test_202_means_that_the_event_is_in_redis(ingestion: Ingestion, queue: EventQueue) -> None:
    answer = post(ingestion, {**ONE, "path": "/x"})
    assert (answer.status, answer.body) == (202, b'{"status":"accepted"}')
    assert answer.headers["Content-Type"] == "application/json"
    assert queue.snapshot().accepted == queue.snapshot().queued == 1


def test_an_event_without_a_timestamp_happened_when_it_arrived(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    post(
        make_ingestion(clock=lambda: NOW), [ONE, {**ONE, "timestamp": "2025-11-15T10:00:00+05:30"}]
    )
    assert [(e.timestamp, e.received_at) for e in queued(queue)] == [
        (NOW, NOW),
        (NOW - 27_000_000, NOW),
    ]


def test_two_equal_events_are_two_events(ingestion: Ingestion, queue: EventQueue) -> None:
    for _ in range(2):
        post(ingestion, ONE)
    post(ingestion, [ONE, ONE])
    assert len({event.event_id for event in queued(queue)}) == 4
    assert not any(event.has_caller_id for event in queued(queue))


def test_the_callers_event_id_is_marked_as_theirs(ingestion: Ingestion, queue: EventQueue) -> None:
    post(ingestion, {**ONE, "event_id": "order-17"})
    assert [(e.event_id, e.has_caller_id) for e in queued(queue)] == [("order-17", True)]


def test_the_good_events_of_a_batch_are_in_and_the_bad_ones_are_named(
    ingestion: Ingestion, queue: EventQueue
) -> None:
    answer = post(
        ingestion,
        [ONE, 7, {**ONE, "timestamp": "not-a-date"}, {"site_id": "s"}, {**ONE, "path": "/last"}],
    )
    assert answer.status == 202
    assert answer.json == {
        "status": "accepted",
        "accepted": 2,
        "rejected": [
            {"index": 1, "code": "bad_type", "error": "an event must be a JSON object"},
            {
                "index": 2,
                "code": "bad_timestamp",
                "error": "timestamp must be ISO 8601 or Unix seconds or milliseconds",
                "field": "timestamp",
            },
            {
                "index": 3,
                "code": "missing_field",
                "error": "event_type required",
                "field": "event_type",
            },
        ],
    }
    assert [event.path for event in queued(queue)] == [None, "/last"]


def test_a_bad_line_does_not_cost_the_good_ones(ingestion: Ingestion, queue: EventQueue) -> None:
    good = json.dumps(ONE).encode()
    body = b"\n".join([good, b"{oops", b'{"a":"\xff"}', b"1e999", good])
    answer = post(ingestion, body, CONTENT_TYPE="application/x-ndjson")
    assert answer.status == 202
    assert [(r["index"], r["code"]) for r in answer.json["rejected"]] == [
        (1, "invalid_json"),
        (2, "invalid_utf8"),
        (3, "number_out_of_range"),
    ]
    assert len(queued(queue)) == 2


def test_a_batch_of_nothing_but_bad_events_is_400(ingestion: Ingestion, queue: EventQueue) -> None:
    answer = post(ingestion, [{"event_type": "e"}, 1])
    assert answer.status == 400
    assert (answer.json["status"], answer.json["code"]) == ("error", "missing_field")
    assert answer.json["accepted"] == 0
    assert [rejected["index"] for rejected in answer.json["rejected"]] == [0, 1]
    assert queued(queue) == []


def test_an_error_names_code_sentence_and_field(ingestion: Ingestion) -> None:
    answer = post(ingestion, {"event_type": "page_view"})
    assert answer.status == 400
    assert answer.json == {
        "status": "error",
        "code": "missing_field",
        "error": "site_id required",
        "field": "site_id",
    }


NULS = [
    {**ONE, "path": "/a\0"},
    {**ONE, "properties": {"a\0": 1}},
    {**ONE, "unknown": [{"deep": "\0"}]},
    {**ONE, "site_id": "\0"},
]


@pytest.mark.parametrize("event", NULS)
def test_nul_is_refused_wherever_it_stands(
    ingestion: Ingestion, queue: EventQueue, event: dict[str, object]
) -> None:
    answer = post(ingestion, event)
    assert (answer.status, answer.json["code"]) == (400, "nul_character")
    assert post(ingestion, [ONE, event]).json["accepted"] == 1
    assert len(queued(queue)) == 1
    assert b"\\u0000" not in payloads(queue)[0]


def test_text_that_only_looks_like_nul_is_accepted(ingestion: Ingestion, queue: EventQueue) -> None:
    assert post(ingestion, {**ONE, "title": "\\u0000"}).status == 202
    assert queued(queue)[0].title == "\\u0000"


def test_non_ascii_text_arrives_as_it_was(ingestion: Ingestion, queue: EventQueue) -> None:
    post(ingestion, {**ONE, "title": "Zoë 日本 😀", "path": "/日本"})
    [event] = queued(queue)
    assert (event.title, event.path) == ("Zoë 日本 😀", "/日本")


@pytest.mark.parametrize("depth", [10, 300, 500, 900])
@pytest.mark.parametrize("core", ["1", '"\\u0000"'])
def test_deep_nesting_is_kept_or_refused(ingestion: Ingestion, depth: int, core: str) -> None:
    nested = f'{{"site_id":"s","event_type":"e","x":{"[" * depth}{core}{"]" * depth}}}'
    answer = post(ingestion, nested.encode())
    assert answer.status == 202 or answer.json["code"] in {"too_deep", "nul_character"}


AGENTS = [
    (None, None),
    ("", None),
    ("Browser/1", "Browser/1"),
    ("x" * 2000, "x" * 1024),
    ("Zoë".encode().decode("latin-1"), "Zoë"),
    ("\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
]


@pytest.mark.parametrize(("header", "stored"), AGENTS)
def test_the_user_agent_comes_from_the_request(
    ingestion: Ingestion, queue: EventQueue, header: str | None, stored: str | None
) -> None:
    extra = {} if header is None else {"HTTP_USER_AGENT": header}
    post(ingestion, ONE, **extra)
    assert [event.user_agent for event in queued(queue)] == [stored]


def test_a_user_agent_in_the_event_wins(ingestion: Ingestion, queue: EventQueue) -> None:
    event = {**ONE, "user_agent": "Browser/1"}
    post(ingestion, [event, ONE], HTTP_USER_AGENT="python-backend")
    assert [event.user_agent for event in queued(queue)] == ["Browser/1", "python-backend"]


COUNTRIES = [("de", "DE"), ("DE", "DE"), (None, None), ("", None), ("T1", None), ("DEU", None)]


@pytest.mark.parametrize(("header", "country"), [*COUNTRIES, ("\xdf\xdf", None)])
def test_the_country_comes_from_the_header_that_the_operator_names(
    make_ingestion: MakeIngestion, queue: EventQueue, header: str | None, country: str | None
) -> None:
    app = make_ingestion(country_header="CF-IPCountry")
    post(app, ONE, **({"HTTP_CF_IPCOUNTRY": header} if header is not None else {}))
    post(make_ingestion(), ONE, HTTP_CF_IPCOUNTRY="DE")
    assert [event.country for event in queued(queue)] == [country, None]


def test_the_default_site_is_for_events_that_name_none(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    app = make_ingestion(default_site_id="home")
    assert post(app, [{"event_type": "e"}, ONE]).json["accepted"] == 2
    assert [event.site_id for event in queued(queue)] == ["home", "site-1"]


KEYS = [
    (KEY, 202),
    (f"Bearer {KEY}", 202),
    (f"bearer   {KEY}", 202),
    (f" {KEY} ", 202),
    (None, 401),
    ("", 401),
    ("Bearer", 401),
    ("Bearer ", 401),
    ("wrong", 401),
    (KEY + "x", 401),
    (KEY[:-1], 401),
    (f"Basic {KEY}", 401),
    ("\xff\xfe", 401),
]


@pytest.mark.parametrize(("key", "status"), KEYS)
@pytest.mark.parametrize("route", ["/event", "/events"])
def test_with_ingest_auth_the_key_is_required(
    make_ingestion: MakeIngestion, queue: EventQueue, key: str | None, status: int, route: str
) -> None:
    app = make_ingestion(api_auth=KEY, ingest_auth=True)
    extra = {} if key is None else {"HTTP_AUTHORIZATION": key}
    answer = post(app, ONE, route, **extra)
    assert answer.status == status
    assert len(queued(queue)) == (status == 202)
    if status == 401:
        assert answer.json["code"] == "unauthorized"


def test_without_ingest_auth_a_browser_needs_no_key(make_ingestion: MakeIngestion) -> None:
    assert post(make_ingestion(api_auth=KEY), ONE).status == 202


def test_a_full_backlog_is_503_until_it_drains(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    app = make_ingestion(max_backlog=2)
    assert post(app, [ONE, ONE]).status == 202
    answer = post(app, ONE)
    assert (answer.status, answer.json["code"]) == (503, "backlog_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert len(queued(queue)) == 2
    assert queue.claim() is not None
    assert post(app, ONE).status == 202


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_redis_away_without_a_spool_is_503_within_a_second_and_passes_by_itself(
    make_ingestion: MakeIngestion, queue: EventQueue, valkey: ValkeyServer, fault: str
) -> None:
    app = make_ingestion(spool_max_bytes=0)
    assert post(app, ONE).status == 202
    getattr(valkey, fault)()
    for _ in range(3):
        with within_a_second():
            answer = post(app, [ONE] * 100)
        assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    valkey.revive()
    time.sleep(0.6)  # a push that timed out is followed by half a second of refusals
    assert post(app, {**ONE, "path": "/after"}).status == 202
    assert queued(queue)[-1].path == "/after"


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_redis_away_is_202_within_a_second_and_all_of_it_is_in_redis_later(
    ingestion: Ingestion, queue: EventQueue, valkey: ValkeyServer, fault: str
) -> None:
    assert post(ingestion, {**ONE, "path": "/before"}).status == 202
    getattr(valkey, fault)()
    for number in range(3):
        with within_a_second():
            answer = post(ingestion, [{**ONE, "path": f"/{number}"}] * 100)
        assert (answer.status, answer.json["accepted"]) == (202, 100)
    valkey.revive()
    wait_until(lambda: queue.redis.llen(queue.buffer) == 301)
    events = queued(queue)
    assert [event.path for event in events[::100]] == ["/before", "/0", "/1", "/2"]
    assert len({event.event_id for event in events}) == 301
