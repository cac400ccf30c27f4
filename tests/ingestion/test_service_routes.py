from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ingestion.app import Ingestion
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, number, post
from tests.promises import within_a_second
from tests.servers import ValkeyServer


def test_health_says_that_the_process_is_up(client: FlaskClient, valkey: ValkeyServer) -> None:
    assert client.get("/health").get_json() == {"status": "ok"}
    valkey.kill()
    assert client.get("/health").status_code == 200


def test_ready_says_that_events_would_be_kept(client: FlaskClient) -> None:
    answer = client.get("/ready")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_ready_names_the_queue_that_is_away(
    make_ingestion: MakeIngestion, valkey: ValkeyServer, fault: str
) -> None:
    client = make_ingestion(spool_max_bytes=0).test_client()
    getattr(valkey, fault)()
    with within_a_second():
        answer = client.get("/ready")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "queue_unavailable")
    assert valkey.url in answer.get_json()["error"]
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_while_events_are_kept_it_is_ready_and_names_the_spool(
    ingestion: Ingestion, client: FlaskClient, valkey: ValkeyServer, fault: str
) -> None:
    getattr(valkey, fault)()
    assert post(ingestion, ONE).status == 202
    with within_a_second():
        answer = client.get("/ready")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ready")
    assert valkey.url in answer.text
    assert str(ingestion.door.spool.root) in answer.text


def test_where_nothing_can_be_kept_either_it_is_not_ready_for_a_while(
    ingestion: Ingestion, client: FlaskClient, valkey: ValkeyServer, tmp_path: Path
) -> None:
    valkey.kill()
    assert client.get("/ready").status_code == 200
    spool = ingestion.door.spool
    spool.root.write_bytes(b"a file where a directory should be")
    answer = post(ingestion, ONE)
    assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
    assert str(spool.root) in answer.json["error"]
    assert client.get("/ready").status_code == 503
    spool.failing_until = 0.0
    assert client.get("/ready").status_code == 200


@pytest.mark.parametrize(("spool_max_bytes", "status"), [(0, 503), (1000, 200)])
def test_no_answer_ever_shows_the_password(
    make_ingestion: MakeIngestion, spool_max_bytes: int, status: int
) -> None:
    url = "redis://user:hunter2@127.0.0.1:1/0"
    app = make_ingestion(redis_url=url, spool_max_bytes=spool_max_bytes)
    answer = app.test_client().get("/ready")
    assert answer.status_code == status
    assert "127.0.0.1:1" in answer.text
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [("appendonly", "no", "yes"), ("maxmemory-policy", "allkeys-lru", "noeviction")],
)
def test_ready_complains_about_a_redis_that_may_forget(
    client: FlaskClient, valkey: ValkeyServer, option: str, value: str, kept: str
) -> None:
    with valkey.client() as admin:
        admin.config_set(option, value)
        try:
            answer = client.get("/ready")
        finally:
            admin.config_set(option, kept)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "queue_not_durable")
    assert option in answer.get_json()["error"]


def test_metrics_count_answers_and_events(
    ingestion: Ingestion, client: FlaskClient, queue: EventQueue
) -> None:
    before = client.get("/metrics").text
    post(ingestion, [ONE, ONE, {}])
    post(ingestion, {})
    after = client.get("/metrics").text
    counted = {
        'footfall_ingestion_answers_total{status="202"}': 1,
        'footfall_ingestion_answers_total{status="400"}': 1,
        "footfall_ingestion_events_total": 2,
        "footfall_accepted_events_total": 2,
        "footfall_queued_events": 2,
        "footfall_processing_events": 0,
    }
    assert {name: number(after, name) - number(before, name) for name in counted} == counted


@pytest.mark.parametrize("path", ["/health", "/ready", "/docs", "/openapi.json", "/tracker.js"])
def test_what_has_no_numbers_needs_no_key(make_ingestion: MakeIngestion, path: str) -> None:
    app = make_ingestion(api_auth="sesame")
    assert app.test_client().get(path).status_code == 200


def test_numbers_need_the_key(make_ingestion: MakeIngestion) -> None:
    client = make_ingestion(api_auth="sesame").test_client()
    answer = client.get("/metrics")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    with_key = client.get("/metrics", headers={"Authorization": "Bearer sesame"})
    assert with_key.status_code == 200
    assert client.post("/event", json=ONE).status_code == 202  # INGEST_AUTH is another question


def test_it_is_shown_as_a_proxy_tells(make_ingestion: MakeIngestion) -> None:
    client = make_ingestion().test_client()
    told = {"Host": "shop.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/a/b/"}
    assert "https://shop.example/a/b/event" in client.get("/docs", headers=told).text
    for wrong in ({"X-Forwarded-Proto": "javascript"}, {"X-Forwarded-Prefix": '/"><b>'}):
        page = client.get("/docs", headers={"Host": "shop.example", **wrong}).text
        assert "http://shop.example/event" in page
        assert "javascript" not in page
        assert '"><b>' not in page
    assert (
        "http://127.0.0.1:8000/event" in client.get("/docs", headers={"Host": "a_b.example"}).text
    )


@pytest.mark.parametrize("host", ["stats.example", "stats.example:8443", '"><script>.example'])
def test_the_description_shows_the_address_that_it_was_asked_under(
    make_ingestion: MakeIngestion, host: str
) -> None:
    page = make_ingestion().test_client().get("/docs", headers={"Host": host}).text
    assert "<script" not in page
    # What is no host is not shown.
    assert f"http://{'127.0.0.1:8000' if 'script' in host else host}/event" in page
    assert 'href="openapi.json"' in page


def test_the_public_address_goes_before_what_was_asked(make_ingestion: MakeIngestion) -> None:
    public = "https://count.example/in"
    client = make_ingestion(public_ingestion_url=f"{public}/").test_client()
    told = {"Host": "10.0.0.1:8000", "X-Forwarded-Prefix": "/other"}
    assert f"curl {public}/event" in client.get("/docs", headers=told).text
    document = client.get("/openapi.json", headers=told)
    assert document.get_json()["servers"][0]["url"] == public
    assert f"curl {public}/event" in document.text
    assert "10.0.0.1" not in document.text


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"X-Forwarded-Host": "shop.example:8443"}, "http://shop.example:8443/event"),
        ({"X-Forwarded-Host": "shop.example, inner.example"}, "http://shop.example/event"),
        ({"X-Forwarded-Host": '"><b>'}, "http://localhost/event"),
        ({"X-Forwarded-Prefix": "/"}, "http://localhost/event"),
        ({"X-Forwarded-Prefix": "//evil.example"}, "http://localhost/event"),
    ],
)
def test_of_what_a_proxy_tells_only_an_address_is_shown(
    make_ingestion: MakeIngestion, told: dict[str, str], shown: str
) -> None:
    answer = make_ingestion().test_client().get("/openapi.json", headers=told)
    assert f"curl {shown}" in answer.text
    # It is of who asked, and for nobody else.
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "link"),
    [("/docs", "openapi.json"), ("/docs/", "../openapi.json"), ("/docs//", "../../openapi.json")],
)
def test_the_page_leads_to_the_document_beside_it(
    client: FlaskClient, path: str, link: str
) -> None:
    assert f'href="{link}"' in client.get(path).text


def test_metrics_are_there_with_redis_down(client: FlaskClient, valkey: ValkeyServer) -> None:
    valkey.kill()
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert "footfall_ingestion_events_total" in answer.text
    assert "footfall_queued_events" not in answer.text


@pytest.mark.parametrize(
    ("method", "route", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/event/more", 404, "not_found"),
        ("GET", "/event/", 405, "method_not_allowed"),
        ("POST", "/EVENT", 404, "not_found"),
        ("POST", "/\xff", 404, "not_found"),
        ("GET", "/event", 405, "method_not_allowed"),
        ("PUT", "/events", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("POST", "/pixel.gif", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_answered_in_the_shape_of_every_error(
    client: FlaskClient, method: str, route: str, status: int, code: str
) -> None:
    answer = client.open(route, method=method)
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    assert (answer.get_json()["status"], answer.get_json()["code"]) == ("error", code)
    assert answer.get_json()["error"]
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_method_that_is_not_there_needs_no_key(make_ingestion: MakeIngestion) -> None:
    answer = make_ingestion(api_auth="key").test_client().open("/metrics", method="TRACE")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
