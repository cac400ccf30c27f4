"""Reporting below a proxy's path: the page, its files and the description, with a key."""

import dataclasses
import re
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from reporting.app import create_app
from shared.settings import Settings

HOST = {"Host": "example.com", "X-Forwarded-Proto": "https"}
LINK = re.compile(r'(?:href|src)="([^"#]+)"')


@pytest.fixture
def nowhere(settings: Settings) -> Settings:
    """With a key; nothing of this needs Redis or a database."""
    return dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0", api_auth="sesame")


@pytest.fixture(params=["taken off", "left on"])
def client(request: pytest.FixtureRequest, nowhere: Settings) -> FlaskClient:
    """Asks as a browser does, below /a/b, past a proxy of either kind."""
    if request.param == "left on":
        return create_app(dataclasses.replace(nowhere, reporting_prefix="/a/b")).test_client()
    app = create_app(nowhere)
    inner = app.wsgi_app

    def proxy(environ, start_response):  # type: ignore[no-untyped-def]
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/a/b")
        environ["HTTP_X_FORWARDED_PREFIX"] = "/a/b"
        return inner(environ, start_response)

    app.wsgi_app = proxy  # type: ignore[method-assign]
    return app.test_client()


def links_of(client: FlaskClient, path: str) -> list[str]:
    """Where the page's links lead to a browser, those to other services left out."""
    answer = client.get(path, headers=HOST)
    assert answer.status_code == 200
    found = [urljoin(path, link) for link in LINK.findall(answer.text) if "://" not in link]
    assert found
    return found


def test_the_page_its_files_and_its_links_open_without_the_key(client: FlaskClient) -> None:
    links = links_of(client, "/a/b/")
    assert {"/a/b/docs", "/a/b/settings"} <= set(links)
    for page in ("/a/b/settings", "/a/b/docs", "/a/b/docs/"):
        links += links_of(client, page)
    for link in links:
        assert link.startswith("/a/b/")
        assert client.get(link, headers=HOST).status_code == 200, link


def test_numbers_need_the_key_there_too(client: FlaskClient) -> None:
    for path in ("/a/b/stats?site_id=a", "/a/b/sites", "/a/b/metrics", "/a/b//metrics/"):
        answer = client.get(path, headers=HOST)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
        with_key = client.get(path, headers=HOST | {"Authorization": "sesame"})
        assert with_key.status_code not in (401, 403, 404)


def test_the_description_shows_where_it_is(client: FlaskClient) -> None:
    document = client.get("/a/b/openapi.json", headers=HOST)
    assert document.get_json()["servers"][0]["url"] == "https://example.com/a/b"
    assert "<code>https://example.com/a/b</code>" in client.get("/a/b/docs", headers=HOST).text
    for text in (document.text, client.get("/a/b/docs", headers=HOST).text):
        assert "https://example.com/a/b/stats?" in text
        assert "127.0.0.1:8001" not in text


def test_a_setting_tells_where_it_is_if_the_proxy_does_not(nowhere: Settings) -> None:
    public = "https://example.com/stats"
    app = create_app(dataclasses.replace(nowhere, public_reporting_url=f"{public}/"))
    for path in ("/docs", "/openapi.json"):
        text = app.test_client().get(path, headers={"Host": "reporting"}).text
        assert f"{public}/stats?" in text
        assert "http://reporting" not in text


def test_below_a_path_named_like_a_route_both_are_found(nowhere: Settings) -> None:
    client = create_app(dataclasses.replace(nowhere, reporting_prefix="/stats")).test_client()
    assert "<title>Footfall</title>" in client.get("/stats/").text
    assert client.get("/stats/stats?site_id=a").status_code == 401
    assert client.get("/stats?site=a").headers["Location"] == "stats/?site=a"
    assert client.get("/health").status_code == 200


def test_the_settings_page_leads_to_itself_without_a_slash(client: FlaskClient) -> None:
    moved = client.get("/a/b/settings/", headers=HOST)
    assert urljoin("/a/b/settings/", moved.headers["Location"]) == "/a/b/settings"


def test_an_admin_s_calls_are_taken_below_a_path_and_no_other_writing_is(
    client: FlaskClient,
) -> None:
    for path, code in (("/a/b/admin/sites", 401), ("/a/b/sites", 405), ("/a/b/event", 405)):
        assert client.post(path, json={"site_id": "a"}, headers=HOST).status_code == code


def test_without_a_key_nobody_who_comes_through_a_proxy_sets_anything(nowhere: Settings) -> None:
    settings = dataclasses.replace(nowhere, api_auth="", reporting_prefix="/a/b")
    answer = create_app(settings).test_client().post("/a/b/admin/sites", json={"site_id": "a"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "key_needed")
