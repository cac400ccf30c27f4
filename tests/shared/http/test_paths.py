"""Paths with slashes too many, on an application that has routes of every kind."""

import pytest
from flask import Flask, request

from ingestion.app import create_app as create_ingestion
from reporting.app import create_app as create_reporting
from shared.http.paths import below, plain_path, with_plain_paths
from shared.settings import Settings


@pytest.fixture
def app() -> Flask:
    app = Flask("paths", static_folder=None)
    app.wsgi_app = with_plain_paths(app)  # type: ignore[assignment, method-assign]
    app.add_url_rule("/", view_func=lambda: "home", endpoint="home")
    app.add_url_rule("/take", view_func=lambda: request.data, endpoint="take", methods=["POST"])
    app.add_url_rule("/of/<path:name>/all", view_func=lambda name: name, endpoint="of")
    app.add_url_rule("/who/<path:name>", view_func=lambda name: name, endpoint="who")
    return app


def ask(app: Flask, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, str]:
    # Of the client, `//take` would be a host.
    client = app.test_client()
    answer = client.open("/", method=method, data=body, environ_overrides={"PATH_INFO": path})
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", ["/take/", "//take", "///take//", "/take///"])
def test_a_path_with_slashes_too_many_is_the_same_route_and_keeps_its_body(
    app: Flask, path: str
) -> None:
    assert ask(app, path, "POST", b"body") == (200, "body")
    assert ask(app, path)[0] == 405


@pytest.mark.parametrize("path", ["/", "//", "////"])
def test_nothing_but_slashes_is_the_first_page(app: Flask, path: str) -> None:
    assert ask(app, path) == (200, "home")


@pytest.mark.parametrize("name", ["ann", "https://id.example/ann"])
@pytest.mark.parametrize("path", ["/of/{}/all", "//of/{}/all", "/of/{}/all/", "//of/{}/all//"])
def test_slashes_within_a_name_stay(app: Flask, name: str, path: str) -> None:
    assert ask(app, path.format(name)) == (200, name)


def test_a_slash_at_the_end_of_a_name_is_the_name_s(app: Flask) -> None:
    assert ask(app, "/who/https://id.example/") == (200, "https://id.example/")
    assert ask(app, "//who//ann") == (200, "ann")


@pytest.mark.parametrize("path", ["/taken", "/take/more", "/ta//ke", "/./take", "/TAKE/"])
def test_other_paths_are_not_there(app: Flask, path: str) -> None:
    assert ask(app, path, "POST")[0] == 404


@pytest.mark.parametrize(
    ("path", "plain"),
    [("/", "/"), ("//", "/"), ("/a/b", "/a/b"), ("/a//b/", "/a/b"), ("a//", "a")],
)
def test_a_plain_path_has_no_slash_too_many(path: str, plain: str) -> None:
    assert plain_path(path) == plain


@pytest.mark.parametrize("create_app", [create_ingestion, create_reporting])
def test_no_route_of_a_service_ends_with_a_slash_or_redirects(create_app: object) -> None:
    app = create_app(Settings())  # type: ignore[operator]
    for rule in app.url_map.iter_rules():
        assert rule.rule == plain_path(rule.rule)
        assert not rule.merge_slashes


@pytest.fixture
def app_below(app: Flask) -> Flask:
    app.wsgi_app = below("/a/b", app.wsgi_app)  # type: ignore[assignment, method-assign]
    app.add_url_rule("/a/z", view_func=lambda: "its own", endpoint="z")
    return app


@pytest.mark.parametrize("path", ["/a/b/", "/", "//a/b/", "/a//b//", "///"])
def test_a_path_that_a_proxy_leaves_on_is_taken_off_and_may_be_missing(
    app_below: Flask, path: str
) -> None:
    assert ask(app_below, path) == (200, "home")


def test_it_is_taken_off_once_and_nothing_else_is(app_below: Flask) -> None:
    assert ask(app_below, "/a/b/take", "POST", b"body") == (200, "body")
    assert ask(app_below, "/a/b/of/https://id.example/ann/all") == (200, "https://id.example/ann")
    assert ask(app_below, "/a/z") == (200, "its own")
    for other in ("/a/b/a/b/take", "/a/bc/take", "/b/take", "/A/B/take", "/a/take"):
        assert ask(app_below, other, "POST")[0] == 404


@pytest.mark.parametrize(("query", "leads_to"), [("", "b/"), ("site=a&tz=UTC", "b/?site=a&tz=UTC")])
def test_the_place_itself_leads_to_where_relative_links_are_right(
    app_below: Flask, query: str, leads_to: str
) -> None:
    answer = app_below.test_client().get("/a/b", query_string=query)
    assert (answer.status_code, answer.headers["Location"]) == (307, leads_to)
