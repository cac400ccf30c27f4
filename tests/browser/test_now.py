"""What happens now: the live panel, the pipeline, a test event; a hidden tab asks nothing."""

from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, Request, expect

from shared.clock import HOUR_MS, now_ms
from shared.db.database import writing_engine
from shared.db.tables import batch_ledger, pending_counts
from tests.browser.conftest import (
    SITE,
    Complaints,
    MakePage,
    empty_settings,
    expect_headline,
    headline,
    shown,
)
from tests.migration import migrate
from tests.servers import ValkeyServer
from tests.stack import Stack


def test_the_live_panel_changes_by_itself(board: Page, stack: Stack) -> None:
    live = board.locator("#live")
    expect(live.locator(".figures")).to_be_visible()
    expect(live.get_by_text("/just-now")).to_have_count(0)
    for number in range(40):
        event = {"site_id": SITE, "event_type": "page_view", "path": "/just-now"}
        stack.door().post(event | {"user_id": f"new-{number}"})
    expect(live.get_by_text("/just-now")).to_be_visible()
    expect(board.locator("#now")).to_contain_text("here now")


def test_a_hidden_tab_asks_nothing_and_a_tab_that_is_seen_again_asks_at_once(
    page: Page, stack: Stack
) -> None:
    page.clock.install()
    shown(page, stack, f"?site={SITE}&period=yesterday")
    expect(page.locator("#live .figures")).to_be_visible()
    asked: list[str] = []

    def hear(request: Request) -> None:
        asked.append(request.url)

    page.on("request", hear)
    see(page, hidden=True)
    page.clock.run_for(120_000)
    assert asked == []
    with page.expect_request("**/realtime?*"):
        see(page, hidden=False)
    with page.expect_request("**/realtime?*"):
        pass  # and goes on


def see(page: Page, *, hidden: bool) -> None:
    """What a browser tells a page whose tab is left or come back to."""
    value = str(hidden).lower()
    page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{value: {value}, configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def test_a_test_event_is_posted_to_ingestion_and_counted(page: Page, stack: Stack) -> None:
    shown(page, stack, f"?site={SITE}&period=today&tz=UTC")
    before = headline(page, "Events")
    form = page.locator("#test-event")
    form.get_by_label("Event type").fill("try_out")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_have_text("Accepted. It is counted in a moment.")
    expect(page.locator('[data-dimension="event_type"]')).to_contain_text("try_out")
    expect_headline(page, "Events", max(before + 1, headline(page, "Events")))


def test_what_ingestion_refuses_is_said(board: Page, complaints: Complaints) -> None:
    complaints.expect("400")
    form = board.locator("#test-event")
    form.get_by_label("Event type").fill(" ")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_have_class("outcome bad")
    expect(form.get_by_role("status")).to_contain_text("event_type")


def test_the_pipeline_panel_adds_up(board: Page, stack: Stack) -> None:
    stack.settle()
    panel = board.locator("#pipeline")
    expect(panel.locator(".verdict")).to_have_text("Every accepted event is accounted for.")
    stored = panel.locator(".facts > div", has_text="Stored").locator("data")
    expect(stored).to_have_attribute("value", str(stack.status()["stored"]))


def test_an_operator_sees_that_no_worker_runs(
    make_page: MakePage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    with Stack(empty_settings(valkey, tmp_path), workers=1) as stack:
        stack.door().post({"site_id": SITE, "event_type": "page_view", "path": "/"})
        stack.settle()
        stack.workers[0].stop()
        stack.door().post({"site_id": SITE, "event_type": "page_view", "timestamp": now_ms()})
        page = shown(make_page(), stack)
        panel = page.locator("#pipeline")
        expect(panel.locator(".verdict.bad")).to_contain_text("No worker runs")
        expect(panel.locator(".facts > div", has_text="Queued").locator("dd")).to_have_text("1")
        page.close()


def test_a_replica_that_is_far_behind_is_told(
    make_page: MakePage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    written = empty_settings(valkey, tmp_path)
    replica = f"sqlite:///{tmp_path}/replica.db"
    engines = [writing_engine(replace(written, database_url=replica)), writing_engine(written)]
    for engine in engines:
        migrate(engine)
    with engines[-1].begin() as connection:
        row = {"batch_id": "b", "committed_at": now_ms() - HOUR_MS}
        connection.execute(batch_ledger.insert(), row)
    with Stack(replace(written, reporting_database_url=replica), workers=1) as stack:
        page = shown(make_page(), stack)
        told = page.locator(".verdict.warn:visible")
        expect(told).to_contain_text("The database's replica is behind by 6")  # 60 minutes
        page.close()
    for engine in engines:
        engine.dispose()


def test_events_that_nobody_merges_are_told(
    make_page: MakePage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    settings = empty_settings(valkey, tmp_path)
    engine = writing_engine(settings)
    migrate(engine)
    now = now_ms()
    with engine.begin() as connection:
        moments = {"bucket": now - now % HOUR_MS, "first_event": now, "last_event": now}
        waiting = {"site_id": SITE, "batch_id": "b", "events": 7, "views": 7, "data": b"no columns"}
        old = {"stored_at": now - HOUR_MS}
        connection.execute(pending_counts.insert(), waiting | moments | old)
    engine.dispose()
    with Stack(settings, workers=1) as stack:
        page = shown(make_page(), stack)
        told = page.locator("#pipeline .verdict.warn")
        expect(told).to_contain_text("Not merged into the rollups for 6")  # 60 minutes
        expect(told).to_contain_text("7 events")
        fact = page.locator("#pipeline .facts > div", has_text="Not merged yet")
        expect(fact.locator("dd")).to_have_text("7")
        page.close()
