"""Debian's Chromium, driven by Playwright: a browser with nothing of its own to ask of the network."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import BrowserContext, Playwright, sync_playwright

PROGRAMS = ("chromium", "chromium-browser")
OPTIONS = [
    "--no-sandbox",  # which root may not have, and CI often is
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_program() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextlib.contextmanager
def playwright_driver() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@contextlib.contextmanager
def browsing(driver: Playwright, **options: Any) -> Iterator[BrowserContext]:
    """A window with a profile of its own; `options` are Playwright's (viewport, color_scheme …)."""
    program = chromium_program()
    assert program
    with tempfile.TemporaryDirectory(prefix="ff-chromium-", ignore_cleanup_errors=True) as profile:
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=program, headless=True, args=OPTIONS, **options
        )
        try:
            yield context
        finally:
            context.close()
