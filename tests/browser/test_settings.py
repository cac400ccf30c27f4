"""The Settings page, used: sites registered and changed, keys made and revoked."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reporting.dashboard.assets import STATIC
from shared.sites.settings import NAMES
from tests.browser.conftest import PHONE, Complaints, MakePage, empty_settings
from tests.browser.test_access import flaws, is_wider_than_the_window
from tests.servers import ValkeyServer, wait_until
from tests.stack import Client, Stack

REFUSED = "the server responded with a status of"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def alone(valkey: ValkeyServer, tmp_path: Path) -> Iterator[Stack]:
    with Stack(empty_settings(valkey, tmp_path), workers=1) as stack:
        yield stack


def opened(page: Page, stack: Stack, part: str = "") -> Page:
    page.goto(f"{stack.reporting.url}/settings{part}")
    expect(page.locator("#settings")).to_have_attribute("aria-busy", "false")
    return page


def ask(stack: Stack, method: str, path: str, body: Any = None, **headers: str) -> Any:
    client = Client(stack.reporting.url)
    with contextlib.closing(client.connection):
        data = None if body is None else json.dumps(body).encode()
        status, answer = client.request(method, path, data, JSON | headers)
        return status, json.loads(answer)


def site_of(stack: Stack, site_id: str) -> Any:
    return ask(stack, "GET", f"/admin/sites/{site_id}")


def test_a_site_is_registered_changed_and_deleted(
    make_page: MakePage, alone: Stack, complaints: Complaints
) -> None:
    complaints.expect(REFUSED)
    page = opened(make_page(), alone)
    page.get_by_role("link", name="Register a site").click()
    page.get_by_label("Site", exact=True).fill("shop")
    page.get_by_label("Name").fill("The shop")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", name="The shop · shop")).to_be_visible()

    page.get_by_label("Hosts").fill("shop.example\nno host")
    page.get_by_role("button", name="Save").click()
    blamed = page.locator('[data-field="hosts"] .problem')
    expect(blamed).to_contain_text("'no host' is no host")
    expect(page.get_by_label("Hosts")).to_have_attribute("aria-invalid", "true")
    kept = page.get_by_label("Days after which its events are deleted")
    kept.press_sequentially("1e")
    page.get_by_role("button", name="Save").click()
    expect(page.locator('[data-field="raw_data_age"] .problem')).to_have_text("This is no number.")
    kept.fill("")
    page.get_by_label("Hosts").fill("shop.example\n\n *.shop.example ")
    page.get_by_label("Most events a second").fill("20")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".outcome")).to_have_text("Saved. Ingestion knows within five seconds.")
    status, site = site_of(alone, "shop")
    assert (status, site["hosts"]) == (200, ["shop.example", "*.shop.example"])
    assert (site["events_per_second"], site["revision"]) == (20, 2)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".outcome")).to_have_text("Nothing has changed.")

    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type shop to go on").fill("shop!")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.locator(".problem")).to_have_text("Type shop.")
    dialog.get_by_label("Type shop to go on").fill("shop")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("None yet")).to_be_visible()
    assert site_of(alone, "shop")[0] == 404
    page.close()


def test_who_saw_an_older_site_is_told_so(
    make_page: MakePage, alone: Stack, complaints: Complaints
) -> None:
    complaints.expect(REFUSED)
    ask(alone, "POST", "/admin/sites", {"site_id": "a/b ü"})
    ask(alone, "POST", "/admin/sites", {"site_id": "new"})
    page = opened(make_page(), alone)
    page.get_by_role("link", name="new").click()
    expect(page.get_by_role("heading", name="new")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="a/b ü").click()
    expect(page.get_by_label("Name")).to_be_visible()
    path = "/admin/sites/a%2Fb%20%C3%BC"
    ask(alone, "PATCH", path, {"name": "Elsewhere"})
    page.get_by_label("Name").fill("Here")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".outcome")).to_contain_text("has changed meanwhile")
    assert ask(alone, "GET", path)[1]["name"] == "Elsewhere"
    page.close()


def test_a_key_is_shown_once_and_revoked(
    make_page: MakePage, valkey: ValkeyServer, tmp_path: Path, complaints: Complaints
) -> None:
    complaints.expect(REFUSED)
    with Stack(empty_settings(valkey, tmp_path, api_auth="sesame-street"), workers=1) as stack:
        page = make_page()
        page.goto(f"{stack.reporting.url}/settings#keys")
        dialog = page.get_by_role("dialog", name="Key")
        dialog.get_by_label("Key").fill("sesame")
        dialog.get_by_role("button").click()
        expect(dialog.locator(".problem")).to_have_text("That key was not accepted.")
        dialog.get_by_label("Key").fill("sesame-street")
        dialog.get_by_role("button").click()

        page.get_by_label("For what").select_option("read")
        page.get_by_label("Name").fill("a page of ours")
        page.get_by_role("button", name="Make a key").click()
        text = page.locator(".secret code").inner_text()
        assert re.fullmatch(r"ff_\w{8}_\w{32}", text)
        asked = {"Authorization": f"Bearer {text}"}
        assert ask(stack, "GET", "/sites", **asked)[0] == 200
        page.reload()
        expect(page.get_by_text("a page of ours")).to_be_visible()
        assert text not in page.content()

        page.get_by_role("button", name="Revoke").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(page.get_by_text(re.compile("^revoked "))).to_be_visible()
        # Within the moments that another process may go by what it knew.
        page.wait_for_timeout(2500)
        assert ask(stack, "GET", "/sites", **asked)[0] == 401
        page.close()


def test_the_doctor_shows_what_is_sent_and_what_is_wrong(make_page: MakePage, alone: Stack) -> None:
    page = opened(make_page(), alone, "#doctor")
    expect(page.get_by_text("None yet.")).to_be_visible()
    door = Client(alone.ingestion.url)
    with contextlib.closing(door.connection):

        def is_seen() -> bool:
            event = {"site_id": "shop", "event_type": "page_view", "path": "/"}
            door.post(event, **{"X-Forwarded-For": "203.0.113.9"})
            return page.locator(".list tbody tr").count() > 0

        wait_until(is_seen, every=1)
    expect(page.locator(".list tbody tr").first).to_contain_text("POST /event")
    expect(page.get_by_text("TRUSTED_PROXIES").first).to_be_visible()
    page.get_by_role("link", name="Sites").click()
    expect(page.get_by_role("heading", name="Registered sites")).to_be_visible()
    # It is not drawn over by a look that was on its way.
    page.wait_for_timeout(5000)
    expect(page.get_by_role("heading", name="Registered sites")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(make_page: MakePage, alone: Stack, scheme: str) -> None:
    ask(alone, "POST", "/admin/sites", {"site_id": "shop"})
    page = make_page(color_scheme=scheme, viewport=PHONE, reduced_motion="reduce")
    for part in ("", "#sites/shop", "#register", "#keys", "#doctor"):
        opened(page, alone, part)
        assert flaws(page) == [], part
        assert not is_wider_than_the_window(page), part
    opened(page, alone, "#sites/shop").get_by_role("button", name="Delete").click()
    assert flaws(page) == []
    page.close()


def test_the_form_has_each_setting_of_a_site() -> None:
    script = (STATIC / "scripts/settings/fields.js").read_text(encoding="utf-8")
    assert set(re.findall(r'name: "(\w+)"', script)) == set(NAMES)
