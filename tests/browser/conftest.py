"""A browser, a Footfall with a past, and pages that complain of every error in their console."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from shared.clock import now_ms
from shared.settings import Settings
from tests.browser.chromium import NO_CHROMIUM, chromium, chromium_program
from tests.browser.visits import push_all, visits
from tests.conftest import require
from tests.servers import PATIENCE_SECONDS, ValkeyServer
from tests.stack import Stack

SITE = "lighthouse.example"
OTHER_SITE = "notes.example"
DESKTOP = {"width": 1366, "height": 900}
PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 1000 * PATIENCE_SECONDS

MakePage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    require(chromium_program(), NO_CHROMIUM)
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Footfall with two sites that have a past. Tests may add to it, never take away."""
    directory = tmp_path_factory.mktemp("browser")
    with ValkeyServer() as valkey:
        settings = Settings(
            redis_url=valkey.url,
            database_url=f"sqlite:///{directory}/footfall.db",
            data_dir=directory,
        )
        with Stack(settings, workers=1) as stack:
            push_all(settings, visits(SITE, now_ms(), days=12, a_day=60))
            push_all(settings, visits(OTHER_SITE, now_ms(), days=3, a_day=5, seed=9))
            stack.settle()
            yield stack


class Complaints(list[str]):
    """What a page's console has said against it, besides what the test is about."""

    expected: tuple[str, ...] = ()

    def expect(self, *texts: str) -> None:
        """Lines with these are no complaints: the browser's own on each answer such as a 503."""
        self.expected = texts

    def hear(self, message: ConsoleMessage) -> None:
        is_expected = any(text in message.text for text in self.expected)
        if message.type in ("error", "warning") and not is_expected:
            self.append(message.text)


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def make_page(browser: Browser, complaints: Complaints) -> Iterator[MakePage]:
    """Pages in windows of their own: `make_page(color_scheme="dark")`.

    At the end nothing may stand in a console, neither an error nor a breach of the page's policy;
    a test that causes errors says so to `complaints`, and closes its page before its own servers.
    """
    with contextlib.ExitStack() as opened:

        def make(**options: Any) -> Page:
            given = {"viewport": DESKTOP, "timezone_id": "UTC", "locale": "en-GB"} | options
            context: BrowserContext = opened.enter_context(browser.new_context(**given))
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            page.on("console", complaints.hear)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            return page

        yield make
    assert complaints == []


@pytest.fixture
def page(make_page: MakePage) -> Page:
    return make_page()


@pytest.fixture
def board(page: Page, stack: Stack) -> Page:
    """The dashboard of SITE, the last 7 days."""
    return shown(page, stack, f"?site={SITE}&period=7d&tz=UTC")


def shown(page: Page, stack: Stack, search: str = "") -> Page:
    """The page with its numbers on it."""
    page.goto(f"{stack.reporting.url}/{search}")
    loaded(page)
    return page


def loaded(page: Page) -> None:
    expect(page.locator("#board")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#numbers")).not_to_have_attribute("aria-busy", "true")


def headline(page: Page, name: str) -> int:
    """The whole number behind one of the four on top."""
    figure = page.locator("#headline > div", has=page.get_by_text(name, exact=True))
    return int(figure.locator("data").get_attribute("value") or "-1")


def expect_headline(page: Page, name: str, value: int) -> None:
    figure = page.locator("#headline > div", has=page.get_by_text(name, exact=True))
    expect(figure.locator("data")).to_have_attribute("value", str(value))


def empty_settings(valkey: ValkeyServer, directory: Path, **changes: Any) -> Settings:
    return Settings(
        redis_url=valkey.url,
        database_url=f"sqlite:///{directory}/footfall.db",
        data_dir=directory,
        **changes,
    )
