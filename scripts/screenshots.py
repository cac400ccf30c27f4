"""The dashboard photographed: `make screenshots`, on a Footfall of its own with made-up visits.

Two of the pictures are the README's and go to docs/; all of them go to build/screenshots/.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from shared.clock import now_ms
from shared.settings import Settings
from tests.browser.chromium import NO_CHROMIUM, chromium, chromium_program
from tests.browser.visits import push_all, visits
from tests.servers import ValkeyServer
from tests.stack import Stack

ROOT = Path(__file__).parent.parent
OUT = ROOT / "build" / "screenshots"
DOCS = {"light": "dashboard-light.png", "dark": "dashboard-dark.png"}
SITE = "lighthouse.example"
MOST_BYTES = 200_000
DESKTOP = {"width": 1440, "height": 960}
PHONE = {"width": 360, "height": 780}


def photograph(
    browser: Browser, name: str, url: str, ready: Callable[[Page], Any], **how: Any
) -> None:
    whole = how.pop("full_page", False)
    given = {
        "viewport": DESKTOP,
        "timezone_id": "UTC",
        "locale": "en-GB",
        "reduced_motion": "reduce",
    }
    context = browser.new_context(**(given | how))
    page = context.new_page()
    page.goto(url)
    ready(page)
    page.evaluate("document.fonts.ready")
    page.screenshot(path=OUT / f"{name}.png", full_page=whole)
    context.close()
    print(OUT / f"{name}.png")


def has_numbers(page: Page) -> None:
    expect(page.locator("#board")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#live .figures")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)


def photograph_all(browser: Browser, stack: Stack) -> None:
    url = f"{stack.reporting.url}/?site={SITE}&tz=UTC"
    month, today = f"{url}&period=30d", f"{url}&period=yesterday"
    photograph(browser, "light", month, has_numbers, color_scheme="light")
    photograph(browser, "dark", today, has_numbers, color_scheme="dark")
    photograph(browser, "whole", month, has_numbers, full_page=True)
    photograph(browser, "filtered", f"{month}&country=DE&device=mobile", has_numbers)
    phone = {"viewport": PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
    photograph(browser, "phone", month, has_numbers, **phone)
    photograph(
        browser, "phone-dark", month, has_numbers, color_scheme="dark", full_page=True, **phone
    )
    empty = f"{stack.reporting.url}/?site=new.example"
    photograph(
        browser, "empty", empty, lambda page: expect(page.locator("#welcome")).to_be_visible()
    )


def photograph_error(browser: Browser, valkey: ValkeyServer, directory: Path) -> None:
    """Reporting whose database is away."""
    away = Settings(
        redis_url=valkey.url, database_url="mysql://nobody@127.0.0.1:1/none", data_dir=directory
    )
    stack = Stack(away, workers=0)
    try:
        stack.reporting.start()
        photograph(
            browser,
            "error",
            stack.reporting.url,
            lambda page: expect(page.locator("#notice")).to_be_visible(),
        )
    finally:
        stack.close()


def put_into_docs() -> None:
    """The README's two, made small where there is a program that can."""
    for name, target in DOCS.items():
        path = ROOT / "docs" / target
        shutil.copy(OUT / f"{name}.png", path)
        for program in (["oxipng", "-q", "-o4"], ["optipng", "-quiet", "-o2"]):
            if shutil.which(program[0]):
                subprocess.run([*program, str(path)], check=True, timeout=120)  # noqa: S603
                break
        size = path.stat().st_size
        assert size < MOST_BYTES, f"{path} has {size} bytes, more than {MOST_BYTES}"


def main() -> None:
    if chromium_program() is None:
        sys.exit(NO_CHROMIUM)
    OUT.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=30_000)
    with ValkeyServer() as valkey, tempfile.TemporaryDirectory() as name, chromium() as browser:
        directory = Path(name)
        settings = Settings(
            redis_url=valkey.url,
            database_url=f"sqlite:///{directory}/footfall.db",
            data_dir=directory,
        )
        with Stack(settings, workers=1) as stack:
            push_all(settings, visits(SITE, now_ms(), days=60, a_day=260))
            stack.settle()
            photograph_all(browser, stack)
        photograph_error(browser, valkey, directory)
    put_into_docs()


if __name__ == "__main__":
    main()
