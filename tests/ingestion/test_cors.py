import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ingestion.app import Ingestion
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, post

SHOP = "https://shop.example"


def test_any_origin_may_post_and_read_the_answer(ingestion: Ingestion) -> None:
    for body, status in [(ONE, 202), ({}, 400), (b"x" * 2_000_000, 413)]:
        answer = post(ingestion, body, HTTP_ORIGIN=SHOP)
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Vary"] == "Origin"


def test_where_no_origin_asks_any_is_named(ingestion: Ingestion) -> None:
    answer = post(ingestion, ONE)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert answer.headers["Vary"] == "Origin"  # a cache may not hand it to one that asks


@pytest.mark.parametrize("origin", ["https://\xe9.example", "a\tb", "\x7f"])
def test_what_is_no_origin_is_not_repeated(ingestion: Ingestion, origin: str) -> None:
    answer = post(ingestion, ONE, HTTP_ORIGIN=origin)
    assert answer.status == 202
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("route", ["/event", "/events", "/event/"])
def test_a_preflight_is_answered_and_cacheable(client: FlaskClient, route: str) -> None:
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    answer = client.options(route, headers=asked)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert allowed_by(answer) == {"content-type", "content-encoding", "authorization"}
    assert int(answer.headers["Access-Control-Max-Age"]) >= 3600


def allowed_by(answer: TestResponse) -> set[str]:
    return set(re.split(" ?, ?", answer.headers["Access-Control-Allow-Headers"].lower()))


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("traceparent,x-requested-with", {"traceparent", "x-requested-with"}),
        ("content-type, X-Own_Header", {"x-own_header"}),
        ("a" * 1000, {"a" * 1000}),
        ("a" * 1001, set()),
        ("x y", set()),
        ("x,,y", set()),
        ("x\xe9", set()),
        ("", set()),
    ],
)
def test_a_preflight_grants_whatever_header_it_asks_for(
    client: FlaskClient, asked: str, granted: set[str]
) -> None:
    headers = {"Origin": SHOP, "Access-Control-Request-Headers": asked}
    answer = client.options("/event", headers=headers)
    always = {"content-type", "content-encoding", "authorization"}
    assert allowed_by(answer) == always | granted


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (SHOP, SHOP),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://other.example", None),
        ("https://shop.example.evil.example", None),
        ("null", None),
        (None, None),
    ],
)
def test_cors_origins_narrow_who_may_read(
    make_ingestion: MakeIngestion, origin: str | None, allowed: str | None
) -> None:
    app = make_ingestion(cors_origins=(SHOP, "http://localhost:3000"))
    answer = post(app, ONE, **({"HTTP_ORIGIN": origin} if origin else {}))
    assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    # Caches must not hand one origin's answer to another.
    assert answer.headers["Vary"] == "Origin"
    asked = app.test_client().options("/event", headers={"Origin": origin} if origin else {})
    assert asked.headers.get("Access-Control-Allow-Origin") == allowed
    for headers in (answer.headers, asked.headers):
        assert headers.get("Access-Control-Allow-Credentials") == ("true" if allowed else None)


def test_a_star_among_the_origins_means_any(make_ingestion: MakeIngestion) -> None:
    answer = post(make_ingestion(cors_origins=("*", SHOP)), ONE, HTTP_ORIGIN="https://x.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://x.example"
