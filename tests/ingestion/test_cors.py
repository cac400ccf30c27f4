import pytest
from flask.testing import FlaskClient

from ingestion.app import Ingestion
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, post

SHOP = "https://shop.example"


def test_any_origin_may_post_and_read_the_answer(ingestion: Ingestion) -> None:
    for body, status in [(ONE, 202), ({}, 400), (b"x" * 2_000_000, 413)]:
        answer = post(ingestion, body, HTTP_ORIGIN=SHOP)
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("route", ["/event", "/events"])
def test_a_preflight_is_answered_and_cacheable(client: FlaskClient, route: str) -> None:
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    answer = client.options(route, headers=asked)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"content-type", "content-encoding", "authorization"} <= set(allowed)
    assert int(answer.headers["Access-Control-Max-Age"]) >= 3600


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


def test_a_star_among_the_origins_means_any(make_ingestion: MakeIngestion) -> None:
    answer = post(make_ingestion(cors_origins=("*", SHOP)), ONE, HTTP_ORIGIN="https://x.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
