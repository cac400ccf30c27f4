"""The set-ups of docs/proxies.md, tried on real proxies in front of a real Footfall."""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.conftest import require
from tests.ingestion.wsgi import queued
from tests.proxies import NOTHING, WEBSITE, Answered, Caddy, Nginx, Proxy, Traefik, blocks
from tests.servers import ValkeyServer
from tests.stack import Stack

SERVERS = ["granian", "gunicorn"]
EVENT = json.dumps({"site_id": "example.com", "event_type": "page_view", "path": "/"}).encode()
# As the document has it, in its first block of settings.
GIVEN = dict(re.findall(r"^([A-Z_]+)=(.*)$", blocks("ini")[0], re.MULTILINE))
KEY = {"Authorization": f"Bearer {GIVEN['API_AUTH']}"}
OPERATORS = (
    "metrics",
    "metrics/",
    "/metrics",
    "metrics//",
    "./metrics",
    "%6detrics",
    "x/../metrics",
)
LINK = re.compile(r'(?:href|src)="([^"#]+)"')
HOSTS = {
    "PUBLIC_INGESTION_URL": "https://events.example.com",
    "PUBLIC_REPORTING_URL": "https://stats.example.com",
    "TRACKER_PATH": "",
    "EVENT_PATH": "",
}


def footfall(settings: Settings, given: dict[str, str], **more: Any) -> Stack:
    environment = {name: value for name, value in given.items() if name != "API_AUTH"}
    keyed = Settings(
        redis_url=settings.redis_url,
        database_url=settings.database_url,
        data_dir=settings.data_dir,
        api_auth=given["API_AUTH"],
    )
    environment["API_AUTH"] = given["API_AUTH"]
    return Stack(keyed, workers=0, environment=environment, **more)


def started(proxy: type[Proxy], stack: Stack, index: slice = slice(1)) -> Proxy:
    missing = f"{proxy.__name__} is not installed: docs/proxies.md is not tried on it"
    require(proxy.program or proxy is not Nginx, missing)
    if not proxy.program:
        pytest.skip(missing)
    return proxy(stack.ingestion.port, stack.reporting.port, index)


@pytest.fixture(scope="module", params=SERVERS)
def stack(
    request: pytest.FixtureRequest,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("proxies")
    settings = Settings(
        redis_url=valkey_server.url,
        database_url=f"sqlite:///{directory}/footfall.db",
        data_dir=directory,
    )
    given = {**GIVEN, "REPORTING_SERVER": request.param}
    with footfall(settings, given, server=request.param) as stack:
        yield stack


@pytest.fixture(scope="module", params=[Nginx, Caddy, Traefik])
def proxy(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Proxy]:
    with started(request.param, stack) as proxy:
        yield proxy


def is_footfalls(answer: Answered) -> bool:
    return "json" in answer.headers.get("Content-Type", "") or b"footfall" in answer.body


def test_the_script_posts_where_events_are_taken(proxy: Proxy, queue: EventQueue) -> None:
    script = proxy.fetch("/js/f.js")
    [way] = re.findall(r'"([^"]+)\?users=hashed"', script.text)
    path = urljoin("/js/f.js", way)
    assert path == "/api/x"
    assert proxy.fetch(f"{path}?users=hashed", EVENT).status == 202
    [event] = queued(queue)
    assert event.user_id


def test_visitors_are_told_apart_by_their_own_address(proxy: Proxy, queue: EventQueue) -> None:
    forged = {"X-Forwarded-For": "203.0.113.7", "X-Real-IP": "203.0.113.7"}
    for headers in (NOTHING, forged):
        for visitor in ("127.0.0.5", "127.0.0.6"):
            answer = proxy.fetch("/api/x?users=hashed", EVENT, headers, visitor=visitor)
            assert answer.status == 202
    users = [event.user_id for event in queued(queue)]
    assert users[:2] == users[2:]
    assert len(set(users)) == 2


def test_everything_else_is_the_website_s(proxy: Proxy) -> None:
    assert (proxy.fetch("/").text == WEBSITE) is proxy.has_website
    for path in (
        "/event",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/health",
        "/tracker.js",
        "/sites",
    ):
        answer = proxy.fetch(path, headers=KEY)
        assert answer.status == 404
        assert not is_footfalls(answer)


@pytest.mark.parametrize("name", OPERATORS)
def test_what_is_the_operator_s_is_not_handed_on(proxy: Proxy, name: str) -> None:
    answer = proxy.fetch(f"/stats/{name}", headers=KEY)
    assert answer.status in (301, 308, 404)
    assert not is_footfalls(answer)


def test_the_dashboard_and_all_that_it_links_to_open_without_the_key(proxy: Proxy) -> None:
    moved = proxy.fetch("/stats")
    assert moved.status in (301, 302)
    assert urljoin("https://example.com/stats", moved.headers["Location"]).endswith("/stats/")
    for page in ("/stats/", "/stats/settings", "/stats/docs", "/stats/docs/"):
        links = [link for link in LINK.findall(proxy.fetch(page).text) if "://" not in link]
        assert links
        for link in links:
            path = urljoin(page, link)
            assert path.startswith("/stats/")
            assert proxy.fetch(path).status == 200, path
    snippet = 'data-tracker="https://example.com/js/f.js" data-event="https://example.com/api/x"'
    assert snippet in proxy.fetch("/stats/").text


def test_numbers_are_asked_for_with_the_key(proxy: Proxy) -> None:
    asked = "/stats/stats?site_id=example.com"
    assert proxy.fetch(asked).status == 401
    assert json.loads(proxy.fetch(asked, headers=KEY).body)["site_id"] == "example.com"
    assert proxy.fetch("/stats/metrics/active-users", headers=KEY).status == 200


def test_an_admin_sets_what_is_set_for_sites(proxy: Proxy) -> None:
    headers = {**KEY, "Content-Type": "application/json"}
    # With slashes in it, as any name may have.
    site = {"site_id": f"https://id.example/{type(proxy).__name__}"}
    assert proxy.fetch("/stats/admin/sites", json.dumps(site).encode(), headers).status == 201
    path = f"/stats/admin/sites/{quote(site['site_id'], safe='')}"
    assert json.loads(proxy.fetch(path, headers=KEY).body)["site_id"] == site["site_id"]
    # What is too long, Footfall says itself: it takes more than proxies do by default.
    long = json.dumps(site | {"name": "x" * 1_500_000}).encode()
    answer = proxy.fetch("/stats/admin/sites", long, headers)
    assert (answer.status, json.loads(answer.body)["status"]) == (400, "error")


def test_a_name_in_a_path_stays_as_it_is(proxy: Proxy) -> None:
    asked = "/stats/users/https%3A%2F%2Fid.example%2Fann/sessions?site_id=example.com"
    assert json.loads(proxy.fetch(asked, headers=KEY).body)["user_id"] == "https://id.example/ann"


def test_the_description_shows_the_public_address(proxy: Proxy) -> None:
    document = proxy.fetch("/stats/openapi.json")
    assert json.loads(document.body)["servers"][0]["url"] == "https://example.com/stats"
    for text in (document.text, proxy.fetch("/stats/docs").text):
        assert "https://example.com/stats/stats?" in text
        assert "127.0.0.1:800" not in text


def test_nginx_with_hosts_of_their_own(settings: Settings, queue: EventQueue) -> None:
    # Its servers, and of the set-up before what it says belongs to it.
    given = {**GIVEN, **HOSTS}
    with footfall(settings, given) as stack, started(Nginx, stack, slice(2)) as proxy:
        events = partial(proxy.fetch, host="events.example.com")
        stats = partial(proxy.fetch, host="stats.example.com")
        assert events("/event", EVENT).status == 202
        assert len(queued(queue)) == 1
        for path in ("/tracker.js", "/tracker.v2.js", "/docs", "/openapi.json"):
            assert events(path).status == 200
        assert "curl https://events.example.com/event" in events("/docs").text
        for name in ("health", "ready", "js/f.js", *OPERATORS):
            answer = events(f"/{name}", headers=KEY)
            assert (answer.status, is_footfalls(answer)) == (404, False)
        for link in LINK.findall(stats("/").text):
            if "://" not in link:
                assert stats(f"/{link}").status == 200
        for name in OPERATORS:
            answer = stats(f"/{name}", headers=KEY)
            assert (answer.status, is_footfalls(answer)) == (404, False)
        assert stats("/metrics/active-users", headers=KEY).status == 200
