"""The states without numbers: nothing sent yet, the database away, a key asked for."""

import dataclasses
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from shared.clock import now_ms
from shared.db.database import writing_engine
from shared.keys.keys import Kind
from shared.settings import Settings
from shared.sites.stored import create_site
from tests.browser.conftest import (
    Complaints,
    MakePage,
    empty_settings,
    expect_headline,
    loaded,
    shown,
)
from tests.keys import add_row
from tests.servers import MariaDbServer, ValkeyServer
from tests.stack import Client, Stack


def test_without_events_the_page_says_how_to_send_one_and_then_turns_into_the_dashboard(
    make_page: MakePage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    with Stack(empty_settings(valkey, tmp_path), workers=1) as stack:
        page = make_page()
        page.goto(stack.reporting.url)
        welcome = page.locator("#welcome")
        expect(welcome.get_by_role("heading", name="No events yet")).to_be_visible()
        welcome.get_by_label("Site").fill("my.example")
        url = stack.ingestion.url
        expect(welcome).to_contain_text(
            f'<script defer src="{url}/tracker.js" data-site="my.example"></script>'
        )
        expect(welcome).to_contain_text(f"curl {url}/event -d")
        welcome.get_by_role("button", name="Send a page view").click()
        expect(page.locator("#board")).to_be_visible()
        expect(welcome).to_be_hidden()
        expect_headline(page, "Views", 1)
        page.close()


def test_without_a_worker_the_page_says_why_the_first_event_does_not_come(
    make_page: MakePage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    with Stack(empty_settings(valkey, tmp_path), workers=0) as stack:
        stack.door().post({"site_id": "s", "event_type": "page_view", "path": "/"})
        page = make_page()
        page.goto(stack.reporting.url)
        expect(page.locator("#welcome")).to_contain_text("No worker runs; waiting: 1 event.")
        page.close()


def test_a_site_without_events_among_others_says_so(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.reporting.url}/?site=new.example")
    expect(page.get_by_role("heading", name="No events of new.example yet")).to_be_visible()
    expect(page.locator("#board")).to_be_hidden()


def test_an_empty_period_is_no_empty_page(page: Page, stack: Stack) -> None:
    shown(page, stack, "?site=lighthouse.example&period=custom&from=2020-01-01&to=2020-01-02")
    expect_headline(page, "Views", 0)
    expect(page.get_by_text("Nothing in this period.")).to_have_count(8)


def test_with_the_database_away_the_page_says_so_and_recovers_by_itself(
    make_page: MakePage,
    complaints: Complaints,
    settings: Settings,
    mariadb: MariaDbServer,
    mariadb_url: str,
) -> None:
    complaints.expect("503")
    away = dataclasses.replace(settings, database_url=mariadb_url)
    with Stack(away, workers=1) as stack:
        stack.door().post({"site_id": "s", "event_type": "page_view", "path": "/"})
        stack.settle()
        page = shown(make_page(), stack)
        expect_headline(page, "Views", 1)
        mariadb.kill()
        notice = page.get_by_role("alert").filter(has_text="The database does not answer")
        expect(notice).to_be_visible()
        expect_headline(page, "Views", 1)  # what was known stays
        page.reload()
        expect(notice).to_be_visible()
        expect(page.locator("#headline")).to_contain_text("\N{EN DASH}")
        expect(page.locator(".skeleton")).to_have_count(0)
        mariadb.revive()
        expect(notice).to_be_hidden()
        expect_headline(page, "Views", 1)
        page.close()


def test_with_redis_away_the_numbers_stay_and_the_notice_is_of_redis(
    make_page: MakePage, complaints: Complaints, valkey: ValkeyServer, tmp_path: Path
) -> None:
    complaints.expect("503")
    with Stack(empty_settings(valkey, tmp_path), workers=1) as stack:
        stack.door().post({"site_id": "s", "event_type": "page_view", "path": "/"})
        stack.settle()
        page = shown(make_page(), stack)
        valkey.kill()
        notice = page.get_by_role("alert").filter(has_text="Redis does not answer")
        expect(notice).to_be_visible()
        with page.expect_response("**/pipeline/status"):
            pass  # numbers that arrive do not take the notice away
        expect(notice).to_be_visible()
        expect_headline(page, "Views", 1)
        valkey.revive()
        expect(notice).to_be_hidden()
        page.close()


def test_what_cannot_be_answered_is_said_and_shows_no_other_numbers(
    board: Page, stack: Stack, complaints: Complaints
) -> None:
    complaints.expect("400")
    board.goto(f"{stack.reporting.url}/?site=lighthouse.example&path={'x' * 2100}")
    expect(board.locator("#notice")).to_contain_text("path must have at most 2048 characters")
    expect(board.locator("#headline")).to_contain_text("\N{EN DASH}")


def give(dialog: Locator, key: str) -> None:
    dialog.get_by_label("Key").fill(key)
    dialog.get_by_role("button", name="Go on").click()


def test_a_key_is_asked_for_and_kept_in_the_tab(
    make_page: MakePage, complaints: Complaints, valkey: ValkeyServer, tmp_path: Path
) -> None:
    complaints.expect("401")
    with Stack(empty_settings(valkey, tmp_path, api_auth="sesame"), workers=1) as stack:
        door = Client(stack.ingestion.url)
        door.post({"site_id": "s", "event_type": "page_view", "path": "/"})
        door.connection.close()
        page = make_page()
        page.goto(stack.reporting.url)
        dialog = page.get_by_role("dialog", name="Key")
        give(dialog, "wrong")
        expect(dialog.get_by_role("alert")).to_have_text("That key was not accepted.")
        give(dialog, "sesame")
        expect_headline(page, "Views", 1)
        page.reload()
        loaded(page)
        expect_headline(page, "Views", 1)
        with page.expect_download() as started:
            page.get_by_role("link", name="Pages as CSV").click()
        assert started.value.path().read_text("utf-8").startswith("value,views,unique_users")
        page.close()


def test_a_key_of_a_site_shows_that_site(
    make_page: MakePage, complaints: Complaints, valkey: ValkeyServer, tmp_path: Path
) -> None:
    complaints.expect("401", "403")
    settings = empty_settings(valkey, tmp_path, api_auth="sesame")
    with Stack(settings, workers=1) as stack:
        engine = writing_engine(settings)
        with engine.begin() as connection:
            add_row(connection, "ff_reads", Kind.READ, ["s"], now=now_ms())
            add_row(connection, "ff_posts", Kind.INGEST, ["s"], now=now_ms())
        engine.dispose()
        door = Client(stack.ingestion.url)
        for site_id in ("s", "other"):
            door.post({"site_id": site_id, "event_type": "page_view", "path": "/"})
        door.connection.close()
        page = make_page()
        page.goto(stack.reporting.url)
        dialog = page.get_by_role("dialog", name="Key")
        give(dialog, "ff_posts")
        expect(dialog.get_by_role("alert")).to_have_text("That key was not accepted.")
        give(dialog, "ff_reads")
        expect_headline(page, "Views", 1)
        expect(page.locator("#pipeline")).to_be_hidden()
        expect(page.locator("#notice")).to_be_empty()
        expect(page.locator("#site option")).to_have_count(1)
        page.close()


def test_a_public_site_is_shown_without_a_key_and_others_with_one(
    make_page: MakePage, complaints: Complaints, valkey: ValkeyServer, tmp_path: Path
) -> None:
    settings = empty_settings(valkey, tmp_path, api_auth="sesame")
    with Stack(settings, workers=1) as stack:
        engine = writing_engine(settings)
        create_site(engine, "ours", {"public": True, "name": "Ours"}, now_ms())
        engine.dispose()
        door = Client(stack.ingestion.url)
        for site_id in ("ours", "theirs", "theirs"):
            door.post({"site_id": site_id, "event_type": "page_view", "path": "/"})
        door.connection.close()
        page = make_page()
        shown(page, stack)
        expect_headline(page, "Views", 1)
        expect(page.locator("#site option")).to_have_text(["Ours"])
        expect(page.locator("#live")).to_contain_text("users")
        for hidden in ("#pipeline", "#test-event", "#key"):
            expect(page.locator(hidden)).to_be_hidden()
        expect(page.locator("#notice")).to_be_empty()
        page.get_by_role("button", name="Enter a key").click()
        dialog = page.get_by_role("dialog", name="Key")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        complaints.expect("401")
        page.get_by_role("button", name="Enter a key").click()
        give(dialog, "wrong")
        expect(dialog.get_by_role("alert")).to_have_text("That key was not accepted.")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        expect_headline(page, "Views", 1)
        page.goto(f"{stack.reporting.url}/?site=theirs")
        give(dialog, "sesame")
        expect_headline(page, "Views", 2)
        expect(page.locator("#site option")).to_have_text(["Ours", "theirs"])
        expect(page.locator("#pipeline")).to_be_visible()
        expect(page.get_by_role("button", name="Enter a key")).to_be_hidden()
        page.close()
