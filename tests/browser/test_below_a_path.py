"""The dashboard, the description and the script below a path of the website's own host."""

import json
import re
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, MakePage, empty_settings, expect_headline
from tests.browser.test_tracker import NOT_DRIVEN, USER_AGENT
from tests.servers import ValkeyServer, wait_until
from tests.stack import Stack

KEY = "of-everything-5fb2c8d1"
OWN = {"TRACKER_PATH": "/js/f.js", "EVENT_PATH": "/api/x"}
SITE = "my.example"
WEBSITE = (
    "<!doctype html><title>Page</title><link rel=icon href=data:,>"
    f'<script defer src="/a/b/js/f.js" data-site="{SITE}"></script>'
)
# What is of one connection, and not handed on.
HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}


class PathProxy:
    """Hands on what is below /a/b, without it: the two paths of one's own to ingestion, what is
    below /stats to reporting. All else is the website. With `leaves_on` paths stay whole."""

    def __init__(self, *, leaves_on: bool) -> None:
        self.leaves_on = leaves_on
        self.asked: list[str] = []
        self.services: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                url = outer.url_of(self.path)
                if url is None:
                    self.send(200, [("Content-Type", "text/html")], WEBSITE.encode())
                else:
                    self.hand_on(url)

            def do_POST(self) -> None:
                self.do_GET()

            def hand_on(self, url: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
                request = urllib.request.Request(url, body, dict(self.headers))
                if not leaves_on:
                    request.add_header("X-Forwarded-Prefix", "/a/b/stats")
                try:
                    answer = urllib.request.urlopen(request, timeout=60)
                except HTTPError as error:
                    answer = error
                with answer:
                    lines = [line for line in answer.headers.items() if line[0].lower() not in HOP]
                    self.send(answer.status, lines, answer.read())

            def send(self, status: int, lines: list[tuple[str, str]], body: bytes) -> None:
                self.send_response(status)
                for name, value in lines:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()

    def url_of(self, path: str) -> str | None:
        """Of the service that is asked; None for the website."""
        below = path.removeprefix("/a/b")
        if below.partition("?")[0] in OWN.values():
            return self.services["ingestion"] + (path if self.leaves_on else below)
        if path.startswith("/a/b/stats/"):
            rest = path if self.leaves_on else below.removeprefix("/stats")
            return self.services["reporting"] + rest
        return None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(params=[False, True], ids=["taken off", "left on"])
def proxy(request: pytest.FixtureRequest) -> Iterator[PathProxy]:
    proxy = PathProxy(leaves_on=request.param)
    yield proxy
    proxy.close()


@pytest.fixture
def stack(
    request: pytest.FixtureRequest, proxy: PathProxy, valkey: ValkeyServer, tmp_path: Path
) -> Iterator[Stack]:
    prefixes = {"INGESTION_PREFIX": "/a/b", "REPORTING_PREFIX": "/a/b/stats"}
    leaves_on = request.node.callspec.params["proxy"]
    given = OWN | (prefixes if leaves_on else {}) | {"PUBLIC_INGESTION_URL": f"{proxy.url}/a/b"}
    settings = empty_settings(valkey, tmp_path, api_auth=KEY)
    with Stack(settings, workers=1, environment=given) as stack:
        proxy.services = {"ingestion": stack.ingestion.url, "reporting": stack.reporting.url}
        yield stack


def opened(page: Page, proxy: PathProxy) -> None:
    """The dashboard, once it has been given the key."""
    page.goto(f"{proxy.url}/a/b/stats/")
    dialog = page.get_by_role("dialog", name="Key")
    dialog.get_by_label("Key").fill(KEY)
    dialog.get_by_role("button", name="Go on").click()


def test_below_a_path_and_with_a_key_everything_opens(
    make_page: MakePage, complaints: Complaints, proxy: PathProxy, stack: Stack
) -> None:
    complaints.expect("401")
    page = make_page(user_agent=USER_AGENT)
    opened(page, proxy)
    welcome = page.locator("#welcome")
    expect(welcome.get_by_role("heading", name="No events yet")).to_be_visible()
    expect(welcome).to_contain_text(f'<script defer src="{proxy.url}/a/b/js/f.js" data-site=')
    expect(welcome).to_contain_text(f"curl {proxy.url}/a/b/api/x -d")
    # What the page itself posts, and what a visitor's browser does.
    welcome.get_by_role("button", name="Send a page view").click()
    expect(page.locator("#board")).to_be_visible()
    expect_headline(page, "Views", 1)

    page.get_by_role("link", name="API", exact=True).click()
    expect(page).to_have_url(f"{proxy.url}/a/b/stats/docs")
    expect(page.get_by_role("heading", name="Footfall reporting")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text(f"{proxy.url}/a/b/stats")
    page.get_by_role("link", name="openapi.json", exact=True).click()
    expect(page).to_have_url(f"{proxy.url}/a/b/stats/openapi.json")
    assert f'"url":"{proxy.url}/a/b/stats"' in page.locator("body").inner_text()
    page.go_back()
    page.go_back()

    page.get_by_role("link", name="Settings").click()
    expect(page).to_have_url(f"{proxy.url}/a/b/stats/settings")
    page.get_by_role("link", name="Keys").click()
    page.get_by_label("Name").fill("a page of ours")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator(".secret code")).to_be_visible()
    page.get_by_role("link", name="Dashboard").click()
    expect(page).to_have_url(re.compile(f"^{re.escape(proxy.url)}/a/b/stats/(\\?|$)"))
    expect(page.locator("#board")).to_be_visible()
    page.close()
    outside = [path for path in proxy.asked if not path.startswith("/a/b/")]
    assert set(outside) <= {"/favicon.ico"}


def test_the_script_counts_below_a_path_under_paths_of_one_s_own(
    make_page: MakePage, proxy: PathProxy, stack: Stack
) -> None:
    page = make_page(user_agent=USER_AGENT)
    page.add_init_script(NOT_DRIVEN)
    with page.expect_response(lambda answer: "/a/b/api/x" in answer.url) as posted:
        page.goto(f"{proxy.url}/deep/page")
    assert posted.value.status == 202
    page.close()
    wait_until(lambda: views(stack) == 1)
    assert "/a/b/api/x?users=hashed" in proxy.asked


def views(stack: Stack) -> int:
    asked = f"/stats?site_id={SITE}"
    _, answer = stack.reports().request("GET", asked, None, {"Authorization": KEY})
    found: int = json.loads(answer)["total_views"]
    return found
