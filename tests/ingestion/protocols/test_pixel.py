from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import queued
from tests.servers import ValkeyServer

PAGE = "https://site.example/blog/post-1?utm_source=news"


def pixel(client: FlaskClient, referer: str = "", **query: str) -> str | None:
    """What became of the event; the image is the same always."""
    headers = {"Referer": referer} if referer else {}
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


@pytest.mark.parametrize("query", ["site_id=%FF&event_type=%ED%A0%80", "&&&=", "%", "a=%00" * 99])
def test_a_garbled_query_string_still_gets_its_image(client: FlaskClient, query: str) -> None:
    assert client.get(f"/pixel.gif?{query}").status_code == 200


def test_the_default_site_counts_for_images_too(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    assert pixel(make_ingestion(default_site_id="home").test_client(), event_type="e") == "accepted"
    assert queued(queue)[0].site_id == "home"


def test_the_image_is_there_with_redis_down(client: FlaskClient, valkey: ValkeyServer) -> None:
    valkey.kill()
    assert pixel(client, site_id="s", event_type="e") == "queue_unavailable"
