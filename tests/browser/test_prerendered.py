"""A page that Chromium renders before anybody asks for it, and then shows.

Chromium is started as a person does: one that a program drives gives a prerendered page up.
"""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.queue.event_queue import EventQueue
from tests.browser.chromium import NO_CHROMIUM, OPTIONS, chromium_program
from tests.browser.test_other_origins import dropped
from tests.browser.websites import Website
from tests.conftest import require
from tests.ingestion.wsgi import queued
from tests.servers import PATIENCE_SECONDS, ServiceProcess, ValkeyServer, wait_until

FIRST = """<!doctype html><link rel=icon href=data:,>
<script type=speculationrules>
{"prerender": [{"urls": ["/ahead"], "eagerness": "immediate"}]}
</script>
<script>fetch("/gate").then(function () { location.href = "/ahead" })</script>"""
AHEAD = """<!doctype html><link rel=icon href=data:,>
<script defer src="%(url)s/tracker.js" data-site="s"></script>
<img src="%(url)s/pixel.gif?site_id=s&event_type=shown" alt="">"""


class GatedWebsite(Website):
    """Two pages; the first leads to the other once the gate is open."""

    def __init__(self, ingestion_url: str) -> None:
        self.gate = threading.Event()
        self.pages = {"/": FIRST, "/ahead": AHEAD % {"url": ingestion_url}}
        super().__init__(self.page_at)

    def page_at(self, path: str) -> str:
        if path == "/gate":
            self.gate.wait(PATIENCE_SECONDS)
        return self.pages.get(path, "")

    def close(self) -> None:
        self.gate.set()
        super().close()


@pytest.fixture
def ingestion(valkey: ValkeyServer) -> Iterator[ServiceProcess]:
    with ServiceProcess("ingestion", {"REDIS_URL": valkey.url}) as service:
        yield service


@pytest.fixture
def website(ingestion: ServiceProcess, tmp_path: Path) -> Iterator[GatedWebsite]:
    """The site, and a browser that looks at its first page."""
    program = chromium_program()
    require(program, NO_CHROMIUM)
    website = GatedWebsite(ingestion.url)
    command = [program or "", "--headless=new", *OPTIONS, f"--user-data-dir={tmp_path}/profile"]
    # Without the port, a Chromium without a window ends once the page is there; with it, the page
    # would say that a program drives it, and the tracker count nothing.
    command += ["--remote-debugging-port=0", "--disable-blink-features=AutomationControlled"]
    command.append(f"{website.url}/")
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield website
    browser.terminate()
    browser.wait(PATIENCE_SECONDS)
    website.close()


def test_it_is_counted_once_it_is_looked_at(
    website: GatedWebsite, ingestion: ServiceProcess, queue: EventQueue
) -> None:
    wait_until(lambda: dropped(ingestion) == 1)  # its image
    assert queued(queue) == []
    website.gate.set()
    wait_until(lambda: queued(queue) != [])
    assert [(event.event_type, event.path) for event in queued(queue)] == [("page_view", "/ahead")]
    assert dropped(ingestion) == 1
