"""For everybody: keyboard, screen reader, dark, a phone. axe-core is the judge where it can be."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, SITE, MakePage, empty_settings, loaded, shown
from tests.servers import ValkeyServer
from tests.stack import Stack

WEEK = f"?site={SITE}&period=7d&tz=UTC&country=DE"


def flaws(page: Page) -> list[str]:
    """What axe-core holds against the page and calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def is_wider_than_the_window(page: Page) -> bool:
    wider: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wider


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(make_page: MakePage, stack: Stack, scheme: str) -> None:
    page = shown(make_page(color_scheme=scheme, reduced_motion="reduce"), stack, WEEK)
    expect(page.locator("#live .figures")).to_be_visible()
    page.get_by_role("button", name="Table", exact=True).click()
    assert flaws(page) == []
    page.locator("#period > button").click()
    assert flaws(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show all").first.click()
    expect(page.get_by_role("dialog").locator("tbody tr").first).to_be_visible()
    assert flaws(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_there_is_nothing(
    make_page: MakePage, valkey: ValkeyServer, tmp_path: Path, scheme: str
) -> None:
    with Stack(empty_settings(valkey, tmp_path), workers=1) as stack:
        page = make_page(color_scheme=scheme, viewport=PHONE, reduced_motion="reduce")
        page.goto(stack.reporting.url)
        expect(page.locator("#welcome")).to_be_visible()
        assert flaws(page) == []
        assert not is_wider_than_the_window(page)
        page.close()


def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    make_page: MakePage, stack: Stack
) -> None:
    page = shown(make_page(viewport=PHONE, has_touch=True, is_mobile=True), stack, WEEK)
    expect(page.locator("#live .figures")).to_be_visible()
    assert not is_wider_than_the_window(page)
    page.locator("#period > button").click()
    panel = page.locator("#period-panel").bounding_box()
    assert panel
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= PHONE["width"]
    assert not is_wider_than_the_window(page)
    page.locator("#period > button").click()
    page.get_by_role("button", name="Show all").first.click()
    assert not is_wider_than_the_window(page)
    assert flaws(page) == []


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_the_systems_theme_is_taken(
    make_page: MakePage, stack: Stack, scheme: str, is_dark: bool
) -> None:
    page = shown(make_page(color_scheme=scheme), stack, WEEK)
    assert (brightness(page) < 60) is is_dark


def test_a_chosen_theme_stays(make_page: MakePage, stack: Stack) -> None:
    page = shown(make_page(color_scheme="dark"), stack, WEEK)
    page.get_by_role("button", name="Theme: system").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    page.reload()
    loaded(page)
    assert brightness(page) > 200


def brightness(page: Page) -> float:
    """Of the page's ground, 0 to 255."""
    value: float = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3)"
        ".map(Number).reduce((sum, one) => sum + one, 0) / 3"
    )
    return value


def test_the_keyboard_alone_is_enough(page: Page, stack: Stack) -> None:
    shown(page, stack, f"?site={SITE}&period=7d&tz=UTC")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the numbers")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Site", exact=True)).to_be_focused()
    page.locator("#period > button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#period > button")).to_be_focused()
    expect(page.locator("#period > button")).to_contain_text("Yesterday")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#period-panel")).to_be_hidden()
    loaded(page)
    first = page.locator('[data-dimension="country"] .value-button').first
    name = first.inner_text()
    first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Remove filter Country: {name}")).to_be_visible()


def test_the_arrow_keys_read_the_chart_out(board: Page) -> None:
    area = board.locator(".plot-area")
    area.focus()
    board.keyboard.press("Home")
    expect(board.locator("#announcer")).to_contain_text("users")
    first = board.locator("#announcer").inner_text()
    board.keyboard.press("ArrowRight")
    expect(board.locator("#announcer")).not_to_have_text(first)
    expect(board.locator(".tip")).to_be_visible()
    board.keyboard.press("Escape")
    expect(board.locator(".tip")).to_be_hidden()


def test_the_skip_link_leads_to_the_numbers(board: Page) -> None:
    board.keyboard.press("Tab")
    board.keyboard.press("Enter")
    expect(board.locator("#numbers")).to_be_focused()
