from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import answers_counted, queued
from tests.servers import ValkeyServer, wait_until

PAGE = "https://site.example/blog/post-1?utm_source=news"


def pixel(client: FlaskClient, referer: str = "", key: str = "", **query: str) -> str | None:
    """What became of the event; the image is the same always."""
    given = {"Referer": referer, "Authorization": key}
    headers = {name: value for name, value in given.items() if value}
    answer = client.get(f"/pixel.gif?{urlencode(query)}", headers=headers)
    assert answer.status_code == 200
    assert (answer.content_type, len(answer.data)) == ("image/gif", 43)
    assert answer.data.startswith(b"GIF89a")
    assert "no-store" in answer.headers["Cache-Control"]
    return answer.headers.get("X-Footfall")


def test_an_image_counts_an_event(client: FlaskClient, queue: EventQueue) -> None:
    outcome = pixel(
        client, site_id="s", event_type="pageview", path="/a?utm_medium=mail", user_id="u", plan="p"
    )
    assert outcome == "accepted"
    [event] = queued(queue)
    assert (event.site_id, event.event_type, event.path) == ("s", "page_view", "/a")
    assert (event.user_id, event.utm_medium, event.properties) == ("u", "mail", {"plan": "p"})


def test_the_page_that_shows_the_image_is_what_was_viewed(
    client: FlaskClient, queue: EventQueue
) -> None:
    pixel(client, PAGE, site_id="s", event_type="e")
    [event] = queued(queue)
    assert (event.path, event.utm_source) == ("/blog/post-1", "news")
    assert event.referrer is None  # a page does not refer to itself


@pytest.mark.parametrize("name", ["path", "page_url", "url"])
def test_a_page_named_in_the_image_wins_over_the_referer(
    client: FlaskClient, queue: EventQueue, name: str
) -> None:
    pixel(client, PAGE, site_id="s", event_type="e", **{name: "/own"})
    [event] = queued(queue)
    assert (event.path, event.utm_source, event.properties) == ("/own", None, None)


def test_a_long_referer_is_cut(client: FlaskClient, queue: EventQueue) -> None:
    page = "https://site.example/" + "x" * 4000
    assert pixel(client, page, site_id="s", event_type="e") == "accepted"
    assert set(queued(queue)[0].path or "") == set("/x")


def test_a_link_checker_is_not_counted(client: FlaskClient, queue: EventQueue) -> None:
    assert client.head("/pixel.gif?site_id=s&event_type=e").status_code == 200
    assert queued(queue) == []


BAD = [
    ({}, "missing_field"),
    ({"site_id": "s"}, "missing_field"),
    ({"site_id": "s", "event_type": "e", "timestamp": "not-a-date"}, "bad_timestamp"),
    ({"site_id": "s", "event_type": "e", "path": "/\0"}, "nul_character"),
    ({"site_id": "s", "event_type": "e", "properties": "x"}, "bad_type"),
    ({"site_id": "s" * 256, "event_type": "e"}, "too_long"),
]


@pytest.mark.parametrize(("query", "code"), BAD)
def test_a_bad_event_still_gets_its_image(
    client: FlaskClient, queue: EventQueue, query: dict[str, str], code: str
) -> None:
    assert pixel(client, **query) == code
    assert queued(queue) == []


def test_the_first_of_equal_parameters_counts(client: FlaskClient, queue: EventQueue) -> None:
    client.get("/pixel.gif?site_id=s&event_type=e&user_id=a&user_id=b&title=&title=t")
    assert [(event.user_id, event.title) for event in queued(queue)] == [("a", None)]


@pytest.mark.parametrize("title", ["caf%C3%A9+1", "caf\xc3\xa9%201"])
def test_a_query_is_read_as_utf8(client: FlaskClient, queue: EventQueue, title: str) -> None:
    query = f"site_id=s&event_type=e&title={title}"
    client.get("/pixel.gif", environ_overrides={"QUERY_STRING": query})
    assert [event.title for event in queued(queue)] == ["café 1"]


@pytest.mark.parametrize("query", ["site_id=%FF&event_type=%ED%A0%80", "&&&=", "%", "a=%00" * 99])
def test_a_garbled_query_string_still_gets_its_image(client: FlaskClient, query: str) -> None:
    assert client.get(f"/pixel.gif?{query}").status_code == 200


def test_pages_whose_bytes_are_no_utf8_remain_two(client: FlaskClient, queue: EventQueue) -> None:
    for byte in ("%E8", "%E9"):
        client.get(f"/pixel.gif?site_id=s&event_type=e&path=/caf{byte}")
    assert [event.path for event in queued(queue)] == ["/caf%E8", "/caf%E9"]


def test_the_default_site_counts_for_images_too(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    assert pixel(make_ingestion(default_site_id="home").test_client(), event_type="e") == "accepted"
    assert queued(queue)[0].site_id == "home"


def test_the_image_is_there_with_redis_down(
    make_ingestion: MakeIngestion, valkey: ValkeyServer
) -> None:
    client = make_ingestion(spool_max_bytes=0).test_client()
    valkey.kill()
    assert pixel(client, site_id="s", event_type="e") == "queue_unavailable"


def test_its_event_is_kept_with_redis_down(
    client: FlaskClient, queue: EventQueue, valkey: ValkeyServer
) -> None:
    valkey.kill()
    assert pixel(client, site_id="s", event_type="e") == "accepted"
    valkey.start()
    wait_until(lambda: [event.site_id for event in queued(queue)] == ["s"])


KEYS = [("", "unauthorized"), ("wrong", "unauthorized"), ("key", "accepted")]


@pytest.mark.parametrize(("key", "outcome"), [*KEYS, ("Bearer key", "accepted")])
def test_where_a_key_is_asked_for_an_image_without_it_counts_nothing(
    make_ingestion: MakeIngestion, queue: EventQueue, key: str, outcome: str
) -> None:
    client = make_ingestion(api_auth="key", ingest_auth=True).test_client()
    assert pixel(client, key=key, site_id="s", event_type="e") == outcome
    assert len(queued(queue)) == (outcome == "accepted")


def test_without_ingest_auth_an_image_needs_no_key(make_ingestion: MakeIngestion) -> None:
    client = make_ingestion(api_auth="key").test_client()
    assert pixel(client, site_id="s", event_type="e") == "accepted"


STATUSES = (200, 202, 400, 401, 503)
AWAY = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("settings_changed", "query", "status"),
    [
        ({}, {"site_id": "s", "event_type": "e"}, 202),
        ({}, {"site_id": "s"}, 400),
        ({"api_auth": "key", "ingest_auth": True}, {"site_id": "s", "event_type": "e"}, 401),
        ({"redis_url": AWAY}, {"site_id": "s", "event_type": "e"}, 202),
        (
            {"redis_url": AWAY, "spool_max_bytes": 0},
            {"site_id": "s", "event_type": "e"},
            503,
        ),
    ],
)
def test_metrics_count_an_image_by_what_became_of_its_event(
    make_ingestion: MakeIngestion,
    settings_changed: dict[str, object],
    query: dict[str, str],
    status: int,
) -> None:
    app = make_ingestion(**settings_changed)
    before = answers_counted(app, *STATUSES)
    pixel(app.test_client(), **query)
    app.test_client().head(f"/pixel.gif?{urlencode(query)}")  # counts nothing
    after = answers_counted(app, *STATUSES)
    counted = [now - then for now, then in zip(after, before, strict=True)]
    assert counted == [float(each == status) for each in STATUSES]


def test_a_page_of_an_allowed_origin_may_read_what_became_of_it(
    make_ingestion: MakeIngestion,
) -> None:
    client = make_ingestion(cors_origins=("https://a.example",)).test_client()
    for origin, allowed in [
        ("https://a.example", "https://a.example"),
        ("https://b.example", None),
    ]:
        answer = client.get("/pixel.gif?site_id=s", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert answer.headers["Vary"] == "Origin"
