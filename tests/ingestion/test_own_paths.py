"""Paths of an installation's own, and below a proxy's, on both servers of ingestion."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.app import create_app
from ingestion.openapi import OPENAPI
from ingestion.own_paths import check_own_paths
from shared.errors import BadSetting
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.conftest import MakeIngestion
from tests.ingestion.test_servers import SERVERS, start
from tests.ingestion.wsgi import ONE, post, queued
from tests.servers import ServiceProcess, ValkeyServer

OWN = {"EVENT_PATH": "/api/x", "TRACKER_PATH": "/js/f.js"}


@pytest.fixture(scope="module", params=SERVERS)
def service(request: pytest.FixtureRequest, valkey_server: ValkeyServer) -> Iterator[Any]:
    with start(request.param, valkey_server.url, INGESTION_PREFIX="/a/b", **OWN) as service:
        yield service


def fetch(
    service: ServiceProcess, path: str, body: object = None, method: str = "", **headers: str
) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(
        service.url + path,
        data,
        {name.replace("_", "-"): value for name, value in headers.items()},
        method=method or ("GET" if body is None else "POST"),
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("below", ["", "/a/b"])
@pytest.mark.parametrize("path", ["/event", "/events", "/api/x", "/api/x/", "//api//x"])
def test_events_are_posted_to_either_path_below_a_proxy_s_or_not(
    service: ServiceProcess, queue: EventQueue, below: str, path: str
) -> None:
    assert fetch(service, below + path, [ONE, ONE])[0] == 202
    assert len(queued(queue)) == 2
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    assert fetch(service, below + path, method="OPTIONS", **asked)[0] == 204
    assert fetch(service, below + path)[0] == 405


@pytest.mark.parametrize("below", ["", "/a/b"])
def test_the_script_is_there_under_either_path(service: ServiceProcess, below: str) -> None:
    usual, own = fetch(service, f"{below}/tracker.js"), fetch(service, f"{below}/js/f.js")
    assert usual[0] == own[0] == 200
    assert own[1] == usual[1].replace(b'"event?', b'"../api/x?')


def test_the_description_has_them_and_is_shown_where_the_proxy_is(service: ServiceProcess) -> None:
    told = {"X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "https"}
    document = json.loads(fetch(service, "/a/b/openapi.json", **told)[1])
    assert document["servers"][0]["url"] == "https://shop.example/a/b"
    assert document["paths"]["/api/x"]["post"]["x-same-as"] == "/event"
    assert document["paths"]["/js/f.js"]["get"]["x-same-as"] == "/tracker.js"
    page = fetch(service, "/a/b/docs", **told)[1].decode()
    assert "curl https://shop.example/a/b/event" in page
    assert "127.0.0.1:8000" not in page


def test_what_leads_nowhere_leads_nowhere(service: ServiceProcess) -> None:
    for path in ("/a/b/a/b/event", "/a/event", "/b/api/x", "/api", "/api/x/y"):
        assert fetch(service, path, ONE)[0] == 404


def test_without_settings_there_are_no_such_paths(make_ingestion: MakeIngestion) -> None:
    app = make_ingestion()
    for path in ("/api/x", "/a/b/event"):
        assert post(app, ONE, path).status == 404
    assert app.test_client().get("/js/f.js").status_code == 404


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("path", [*OPENAPI["paths"], "/tracker.v99.js"])
def test_a_route_s_path_is_refused(name: str, path: str) -> None:
    settings = Settings.from_env({name: path})
    with pytest.raises(
        BadSetting, match=f"^{name}: {path} is a route of ingestion already; choose"
    ):
        check_own_paths(settings)
    with pytest.raises(BadSetting):
        create_app(settings)


@pytest.mark.parametrize("command", ["ingestion", "footfall ingestion", "footfall run"])
def test_it_is_refused_before_anything_is_started(command: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *command.split()],
        env={"PATH": os.environ["PATH"], "EVENT_PATH": "/pixel.gif"},
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 2
    [line] = ended.stderr.decode().splitlines()
    assert line.startswith("footfall: EVENT_PATH: /pixel.gif is a route of ingestion already")
