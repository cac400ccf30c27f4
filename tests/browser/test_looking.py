"""Looking at a site's past: numbers, filters, periods, zones, the chart, the lists."""

import csv
import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import (
    OTHER_SITE,
    SITE,
    MakePage,
    expect_headline,
    headline,
    loaded,
    shown,
)
from tests.stack import Stack

WEEK = {
    "site_id": SITE,
    "from": (datetime.now(UTC) - timedelta(days=6)).date().isoformat(),
    "to": datetime.now(UTC).date().isoformat(),
}


def test_the_numbers_are_the_apis(board: Page, stack: Stack) -> None:
    stats = stack.stats(**WEEK)
    expect_headline(board, "Views", stats["total_views"])
    expect_headline(board, "Users", stats["unique_users"])
    expect_headline(board, "Events", stats["total_events"])
    pages = board.locator('[data-dimension="path"]')
    first, second = stats["top_paths"][:2]
    rows = pages.locator("tbody tr")
    expect(rows.nth(0)).to_contain_text(first["path"])
    expect(rows.nth(0).locator("data")).to_have_attribute("value", str(first["views"]))
    expect(rows.nth(1)).to_contain_text(second["path"])
    share = round(100 * first["views"] / stats["total_views"])
    expect(rows.nth(0).locator(".share")).to_have_text(f"{share}%")


def test_each_number_tells_its_change_to_who_sees_and_who_hears(board: Page, stack: Stack) -> None:
    compared = stack.stats(**WEEK, compare="previous")
    change = compared["change"]["total_views"] / compared["previous"]["total_views"]
    views = board.locator("#headline > div").first
    expect(views.locator(".change .sr")).to_have_text(
        re.compile(f" {'up' if change > 0 else 'down'} [0-9.]+% from ")
    )
    before = f"{compared['previous']['total_views']:,}"
    expect(views.locator("small")).to_have_text(f"{before} in the 7 days before")


def test_a_value_filters_everything_and_its_chip_takes_the_filter_away(
    board: Page, stack: Stack
) -> None:
    everybody = headline(board, "Views")
    board.locator('[data-dimension="country"]').get_by_role("button", name="Germany").click()
    chip = board.get_by_role("button", name="Remove filter Country: Germany")
    expect(chip).to_be_visible()
    expect_headline(board, "Views", stack.stats(**WEEK, country="DE")["total_views"])
    assert "country=DE" in board.url
    expect(board.locator('[data-dimension="country"] tbody tr')).to_have_count(1)
    chip.click()
    expect_headline(board, "Views", everybody)
    assert "country" not in board.url


def test_filters_add_up_and_are_cleared_at_once(board: Page, stack: Stack) -> None:
    board.locator('[data-dimension="browser"]').get_by_role("button", name="Safari").click()
    loaded(board)
    board.locator('[data-dimension="country"]').get_by_role("button", name="Germany").click()
    both = stack.stats(**WEEK, browser="Safari", country="DE")["total_views"]
    expect_headline(board, "Views", both)
    expect(board.locator(".chip")).to_have_count(2)
    board.get_by_role("button", name="Clear all").click()
    expect(board.locator("#filters")).to_be_hidden()


def test_an_event_type_is_counted_in_place_of_views(board: Page, stack: Stack) -> None:
    board.locator('[data-dimension="event_type"]').get_by_role("button", name="download").click()
    downloads = stack.stats(**WEEK, event_type="download")["total_views"]
    expect_headline(board, "Events of this type", downloads)


def test_back_and_forward_and_a_link_show_the_same(
    board: Page, stack: Stack, make_page: MakePage
) -> None:
    before = headline(board, "Views")
    board.locator('[data-dimension="os"]').get_by_role("button", name="Windows").click()
    expect(board.locator(".chip")).to_have_count(1)
    loaded(board)
    filtered = headline(board, "Views")
    link = board.url
    board.go_back()
    expect_headline(board, "Views", before)
    board.go_forward()
    expect_headline(board, "Views", filtered)
    other = make_page(timezone_id="Asia/Tokyo")
    other.goto(link)
    expect_headline(other, "Views", filtered)


def test_every_period_is_a_click_away_and_stays_in_the_address(board: Page, stack: Stack) -> None:
    today = datetime.now(UTC).date()
    firsts = {
        "Today": today,
        "Yesterday": today - timedelta(days=1),
        "Last 30 days": today - timedelta(days=29),
        "Last 90 days": today - timedelta(days=89),
        "This month": today.replace(day=1),
    }
    for name, first in firsts.items():
        board.locator("#period > button").click()
        board.locator(".choices").get_by_role("button", name=name).click()
        last = first if name == "Yesterday" else today
        views = stack.stats(site_id=SITE, **{"from": first, "to": last})["total_views"]
        expect_headline(board, "Views", views)
        expect(board.locator("#period > button")).to_contain_text(name)
    assert "period=month" in board.url


def test_a_period_of_ones_own(board: Page, stack: Stack) -> None:
    board.locator("#period > button").click()
    form = board.locator(".custom")
    form.get_by_label("From").fill("2025-11-20")
    form.get_by_label("To").fill("2025-11-10")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_have_text("The first day is after the last one.")
    first = (datetime.now(UTC) - timedelta(days=4)).date().isoformat()
    last = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
    form.get_by_label("From").fill(first)
    form.get_by_label("To").fill(last)
    form.get_by_role("button").click()
    views = stack.stats(site_id=SITE, **{"from": first, "to": last})["total_views"]
    expect_headline(board, "Views", views)
    assert f"from={first}&to={last}" in board.url


def test_days_begin_where_the_zone_says(board: Page, stack: Stack) -> None:
    yesterday = {"date": (datetime.now(UTC) - timedelta(days=1)).date().isoformat()}
    shown(
        board,
        stack,
        f"?site={SITE}&period=custom&from={yesterday['date']}&to={yesterday['date']}&tz=UTC",
    )
    expect_headline(board, "Views", stack.stats(site_id=SITE, **yesterday)["total_views"])
    board.locator("#period > button").click()
    board.get_by_label("Days begin in").select_option("Pacific/Auckland")
    there = stack.stats(site_id=SITE, **yesterday, tz="Pacific/Auckland")["total_views"]
    assert there != stack.stats(site_id=SITE, **yesterday)["total_views"]
    expect_headline(board, "Views", there)
    assert "tz=Pacific/Auckland" in board.url


def test_without_a_zone_it_is_the_browsers(make_page: MakePage, stack: Stack) -> None:
    page = shown(make_page(timezone_id="Asia/Kolkata"), stack)
    assert "tz=Asia/" in page.url
    expect(page.get_by_label("Days begin in", exact=False)).to_have_count(1)


def test_the_sites_zone_and_weeks_hold_until_another_zone_is_chosen(
    page: Page, stack: Stack
) -> None:
    def with_zone(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        for site in told["sites"]:
            if site["site_id"] == SITE:
                site |= {"time_zone": "Pacific/Auckland", "week_start": "sunday"}
        route.fulfill(response=answer, json=told)

    page.route("**/sites", with_zone)
    shown(page, stack, "?period=90d")
    expect(page).to_have_url(re.compile("tz=Pacific/Auckland"))
    with page.expect_request(re.compile("interval=week.*week_start=sunday")):
        page.get_by_role("button", name="Weeks").click()
    loaded(page)
    site = page.get_by_label("Site", exact=True)
    with page.expect_request(re.compile("timeseries")) as asked:
        site.select_option(OTHER_SITE)
    assert "week_start" not in asked.value.url
    expect(page).to_have_url(re.compile("tz=UTC"))
    site.select_option(SITE)
    expect(page).to_have_url(re.compile("tz=Pacific/Auckland"))
    page.get_by_role("button", name=re.compile("Period")).click()
    page.get_by_label("Days begin in").select_option("Asia/Tokyo")
    expect(page).to_have_url(re.compile("tz=Asia/Tokyo"))
    site.select_option(OTHER_SITE)
    expect(page).to_have_title(f"{OTHER_SITE} · Footfall")
    expect(page).to_have_url(re.compile("tz=Asia/Tokyo"))


def test_the_site_with_most_events_comes_first_and_another_is_a_choice(
    page: Page, stack: Stack
) -> None:
    shown(page, stack, "?period=7d&tz=UTC")
    assert f"site={SITE}" in page.url
    page.get_by_label("Site", exact=True).select_option(OTHER_SITE)
    views = stack.stats(**{**WEEK, "site_id": OTHER_SITE})["total_views"]
    expect_headline(page, "Views", views)
    expect(page).to_have_title(f"{OTHER_SITE} · Footfall")


def test_sites_are_called_by_their_names_and_told_apart(page: Page, stack: Stack) -> None:
    same = {"same": False}

    def with_names(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        for site in told["sites"]:
            site["name"] = "The <b>lighthouse</b>" if site["site_id"] == SITE else ""
            if same["same"]:
                site["name"] = "Ours"
        route.fulfill(response=answer, json=told)

    page.route("**/sites", with_names)
    shown(page, stack, "?period=7d&tz=UTC")
    options = page.get_by_label("Site", exact=True).locator("option")
    expect(options).to_have_text(["The <b>lighthouse</b>", OTHER_SITE])
    assert f"site={SITE}" in page.url
    same["same"] = True
    page.reload()
    loaded(page)
    expect(options).to_have_text([f"Ours ({SITE})", f"Ours ({OTHER_SITE})"])
    page.get_by_label("Site", exact=True).select_option(OTHER_SITE)
    expect(page).to_have_title(f"{OTHER_SITE} · Footfall")


def test_of_very_many_sites_those_that_are_not_listed_are_found_by_typing(
    page: Page, stack: Stack
) -> None:
    """As if two were too many for one answer."""
    page.route("**/sites", lambda route: route.continue_(url=f"{route.request.url}?limit=1"))
    shown(page, stack, "?period=7d&tz=UTC")
    expect(page.get_by_label("Site", exact=True).locator("option")).to_have_text([SITE])
    other = page.get_by_label("Another site")
    other.fill(OTHER_SITE[:3])
    expect(page.locator(f"#more-sites option[value='{OTHER_SITE}']")).to_have_count(1)
    other.fill(OTHER_SITE)
    other.press("Enter")
    expect(page).to_have_title(f"{OTHER_SITE} · Footfall")
    expect(page.locator("#board")).to_be_visible()
    expect(page.get_by_label("Site", exact=True)).to_have_value(OTHER_SITE)


def test_the_chart_is_a_table_too(board: Page, stack: Stack) -> None:
    button = board.get_by_role("button", name="Table", exact=True)
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    _, series = stack.reports().get("/stats/timeseries", **WEEK, interval="day")
    rows = board.locator("#chart-table tbody tr")
    expect(rows).to_have_count(7)
    for number, point in enumerate(series["points"][:6]):
        expect(rows.nth(number).locator("td").first).to_have_text(f"{point['views']:,}")


def test_the_chart_tells_its_values_under_the_pointer(board: Page, stack: Stack) -> None:
    _, series = stack.reports().get("/stats/timeseries", **WEEK, interval="day")
    area = board.locator("#chart .u-over")
    area.scroll_into_view_if_needed()
    area.hover(position={"x": 2, "y": 40})
    expect(board.locator(".tip")).to_contain_text(f"{series['points'][0]['views']:,}")


def test_the_interval_can_be_chosen(board: Page) -> None:
    board.get_by_role("group", name="Interval").get_by_role("button", name="Hours").click()
    expect(board.locator("#chart-table tbody tr").nth(30)).to_have_count(1)
    assert "interval=hour" in board.url


def test_show_all_lists_every_value_to_search_and_to_filter_by(board: Page, stack: Stack) -> None:
    _, answer = stack.reports().get("/stats/breakdown", **WEEK, dimension="path", limit=1000)
    assert len(answer["rows"]) > 7
    board.locator('[data-dimension="path"]').get_by_role("button", name="Show all").click()
    dialog = board.get_by_role("dialog")
    expect(dialog.locator("tbody tr")).to_have_count(len(answer["rows"]))
    dialog.get_by_role("searchbox").fill("jobs")
    expect(dialog.locator("tbody tr")).to_have_count(1)
    dialog.get_by_role("button", name="/jobs").click()
    expect(dialog).to_be_hidden()
    expect(board.get_by_role("button", name="Remove filter Page: /jobs")).to_be_visible()


def test_a_list_comes_as_csv(board: Page, stack: Stack) -> None:
    with board.expect_download() as started:
        board.get_by_role("link", name="Countries as CSV").click()
    rows = list(csv.DictReader(started.value.path().read_text("utf-8").splitlines()))
    _, answer = stack.reports().get("/stats/breakdown", **WEEK, dimension="country", limit=1000)
    assert [row["value"] for row in rows] == [row["value"] for row in answer["rows"]]
    assert started.value.suggested_filename.startswith(f"{SITE}-country-")
