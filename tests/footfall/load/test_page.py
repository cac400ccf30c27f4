"""The page with the buttons: what they start, and who may press them."""

import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from footfall.load.page.buttons import BUTTONS, SECONDS, Buttons
from footfall.load.page.page import create_page
from footfall.load.target import Target
from shared.settings import Settings
from tests.footfall.load.conftest import Start, ended
from tests.servers import free_port, wait_until
from tests.stack import Stack

PORT = 8002
ORIGIN = f"http://127.0.0.1:{PORT}"


def buttons_of(settings: Settings, ingestion: int, reporting: int) -> Buttons:
    return Buttons(settings, Target("127.0.0.1", ingestion, ""), Target("127.0.0.1", reporting, ""))


@pytest.fixture
def nothing() -> Buttons:
    """Buttons with no Footfall behind them."""
    return buttons_of(Settings(), free_port(), free_port())


@pytest.fixture
def client(nothing: Buttons) -> FlaskClient:
    return create_page(nothing, PORT, "http://127.0.0.1:8001").test_client()


@pytest.fixture
def buttons(stack: Stack) -> Iterator[Buttons]:
    buttons = buttons_of(stack.settings, stack.ingestion.port, stack.reporting.port)
    yield buttons
    buttons.close()


def test_a_button_sends_what_it_says_until_it_is_stopped(buttons: Buttons, stack: Stack) -> None:
    page = create_page(buttons, PORT, "http://127.0.0.1:8001").test_client()
    page.get("/state", base_url=ORIGIN)
    assert page.post("/start", json={"rate": 1000}, base_url=ORIGIN).status_code == 200
    wait_until(lambda: page.get("/state", base_url=ORIGIN).get_json()["figures"])
    state = page.get("/state", base_url=ORIGIN).get_json()
    assert state["is_running"]
    assert len(state["events"]) == 30
    assert {event["site_id"] for event in state["events"]} == {state["site"]}
    page.post("/stop", json={}, base_url=ORIGIN)
    wait_until(lambda: not buttons.is_running)
    state = page.get("/state", base_url=ORIGIN).get_json()
    assert state["verdict"][-1] == "accepted = stored"
    assert state["is_proven"]
    assert buttons.run is not None
    assert 0 < buttons.run.plan.taken < 1000 * SECONDS


def test_only_one_run_goes_on_at_a_time(buttons: Buttons) -> None:
    page = create_page(buttons, PORT, "http://127.0.0.1:8001").test_client()
    answers = [page.post("/start", json={"rate": 100}, base_url=ORIGIN) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]


def test_a_run_that_cannot_begin_says_why(client: FlaskClient, nothing: Buttons) -> None:
    client.post("/start", json={"rate": 100}, base_url=ORIGIN)
    wait_until(lambda: not nothing.is_running)
    assert "--reporting-url" in client.get("/state", base_url=ORIGIN).get_json()["error"]


@pytest.mark.parametrize("rate", [0, 50, 1_000_000, "100", None])
def test_there_are_three_rates_and_no_others(client: FlaskClient, rate: object) -> None:
    assert client.post("/start", json={"rate": rate}, base_url=ORIGIN).status_code == 400


def test_a_page_from_elsewhere_presses_no_button(client: FlaskClient, nothing: Buttons) -> None:
    as_a_form = client.post("/start", data='{"rate": 100}', base_url=ORIGIN)
    rebound = client.post("/start", json={"rate": 100}, base_url="http://example.com:8002")
    assert [as_a_form.status_code, rebound.status_code] == [415, 403]
    assert nothing.run is None


def test_the_page_needs_nothing_from_elsewhere(client: FlaskClient) -> None:
    answer = client.get("/", base_url=ORIGIN)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    page = answer.get_data(as_text=True)
    assert re.findall(r'data-rate="(\d+)"', page) == [str(rate) for rate in BUTTONS]
    assert not re.search(r"https?://|style=|<script>|onclick", page)
    for name in re.findall(r'(?:src|href)="([^"/]+)"', page):
        assert client.get(f"/{name}", base_url=ORIGIN).status_code == 200
    shown = re.findall(r'data-figure="(\w+)"', page)
    assert {"rate", "p99_ms", "errors", "backlog"} <= set(shown)


def test_no_other_file_is_served(client: FlaskClient) -> None:
    for path in ("/../page.py", "/..%2fpage.py", "/nothing.js"):
        assert client.get(path, base_url=ORIGIN).status_code == 404


def test_the_command_serves_it_until_a_signal(start: Start, tmp_path: Path) -> None:
    port = free_port()
    process = start("--page", "--page-port", str(port))
    assert process.stdout is not None
    assert process.stdout.readline() == f"the page with the buttons: http://127.0.0.1:{port}/\n"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=60) as answer:
        assert json.load(answer)["is_running"] is False
    taken = ended(start("--page", "--page-port", str(port)))
    assert taken[0] == 2
    assert f"--page-port: cannot listen on port {port}: Address already in use" in taken[2]
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0
