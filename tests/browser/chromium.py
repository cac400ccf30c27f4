"""Debian's Chromium, driven by Playwright, with nothing of its own to ask of the network."""

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium", "chromium-browser")
OPTIONS = [
    "--no-sandbox",  # root may not have one, and CI often is root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_CHROMIUM = (
    "Chromium is not installed: the dashboard is not tested in a browser. "
    "To test it: apt-get install chromium"
)


def chromium_program() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium, its profile a directory of its own that goes with it."""
    program = chromium_program()
    assert program, NO_CHROMIUM
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, headless=True, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()
