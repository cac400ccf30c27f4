"""The tracker in a real browser, on a page of another origin than Footfall's."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from shared.event import Event
from shared.queue.event_queue import EventQueue
from shared.queue.turn_push import REOPEN_SECONDS
from shared.settings import Settings
from tests.browser.websites import Website
from tests.ingestion.wsgi import queued
from tests.servers import ServiceProcess, ValkeyServer, wait_until
from tests.stack import Stack

SITE = "example.com"
# Within which ingestion has found a Redis that is back.
RECONNECTED_SECONDS = 8 * REOPEN_SECONDS
# A person's browser: neither this name nor this sign says that a program drives it.
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
NOT_DRIVEN = "Object.defineProperty(Navigator.prototype, 'webdriver', {get: () => false})"
# Keeps the promise of each answer, for a test to wait for.
REMEMBERED = (
    "window.sent = []; const original = fetch; window.fetch = (...given) => "
    "{ const answer = original(...given); sent.push(answer.catch(() => 0)); return answer }"
)
UNHEARD = "() => { const send = fetch; fetch = (...given) => new Promise(() => send(...given)) }"
STUB = (
    "window.footfall = window.footfall || function(){(footfall.q=footfall.q||[]).push(arguments)}"
)
QUEUE = "localStorage.getItem('footfall_queue')"


def tracked_website(ingestion_url: str, head: str = "", attributes: str = "") -> Website:
    """A site with the tracker on each of its pages, whatever their path."""
    page = (
        f"<!doctype html><meta charset=utf-8><title>Page</title><link rel=icon href=data:,>"
        f"<script>{head}</script>"
        f'<script defer src="{ingestion_url}/tracker.js" data-site="{SITE}" {attributes}>'
        "</script>"
    )
    return Website(lambda _: page)


MakeWebsite = Callable[..., Website]


@pytest.fixture
def make_website() -> Iterator[MakeWebsite]:
    made: list[Website] = []

    def make(*args: str, **more: str) -> Website:
        made.append(tracked_website(*args, **more))
        return made[-1]

    yield make
    for website in made:
        website.close()


@pytest.fixture
def ingestion(valkey: ValkeyServer) -> Iterator[ServiceProcess]:
    """Without a spool: what Redis does not take is refused, and the tracker keeps it."""
    given = {"REDIS_URL": valkey.url, "SPOOL_MAX_BYTES": 0}
    with ServiceProcess("ingestion", given) as service:
        yield service


@pytest.fixture
def website(ingestion: ServiceProcess, make_website: MakeWebsite) -> Website:
    return make_website(ingestion.url)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's browser, with nothing stored."""
    context = browser.new_context(user_agent=USER_AGENT)
    context.add_init_script(NOT_DRIVEN)
    context.add_init_script(REMEMBERED)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def wait_for(queue: EventQueue, number: int) -> list[Event]:
    """The events in the queue once there are so many different ones."""
    wait_until(lambda: len({e.event_id for e in queued(queue)}) >= number)
    events = queued(queue)
    assert len({event.event_id for event in events}) == number
    return events


def navigate(page: Page, call: str) -> None:
    page.evaluate(f"history.{call}")


def test_a_single_page_application_is_counted_as_it_was_viewed(
    settings: Settings, make_website: MakeWebsite, context: BrowserContext, page: Page
) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with Stack(settings, workers=1) as stack:
        website = make_website(stack.ingestion.url)
        page.goto(f"{website.url}/start?utm_source=mail#top", wait_until="load")
        navigate(page, "pushState({}, '', '/pricing')")
        navigate(page, "replaceState({}, '', '/pricing?plan=pro')")  # the same page still
        navigate(page, "replaceState({}, '', '/signup')")
        page.go_back()
        page.evaluate("location.hash = 'more'")
        page.evaluate("footfall('signup', {plan: 'pro', seats: 5})")
        wait_until(lambda: stack.status()["accepted"] == 5)
        ledger = stack.settle()
        assert (ledger["stored"], ledger["dropped"], ledger["duplicates"]) == (5, {}, 0)
        stats = stack.stats(site_id=SITE)
        assert (stats["total_views"], stats["total_events"], stats["unique_users"]) == (4, 5, 1)
        assert stats["top_paths"] == [
            {"path": "/start", "views": 2},
            {"path": "/pricing", "views": 1},
            {"path": "/signup", "views": 1},
        ]
        signups = stack.stats(site_id=SITE, event_type="signup")
        assert (signups["total_views"], signups["top_paths"][0]["path"]) == (1, "/start")
        live = stack.reports().get("/realtime", site_id=SITE)[1]
        assert (live["active_users"], live["active_sessions"]) == (1, 1)
    assert complaints == []
    assert context.cookies() == []


def test_an_event_tells_what_the_browser_knows(
    website: Website, queue: EventQueue, context: BrowserContext, page: Page
) -> None:
    page.goto(f"{website.url}/a?utm_source=mail", referer="https://news.example/item")
    settle(page)
    page.evaluate("footfall('signup', {plan: 'pro', seats: 5, trial: false})")
    view, signup = wait_for(queue, 2)
    assert (view.site_id, view.event_type, view.path) == (SITE, "page_view", "/a")
    assert (view.referrer, view.title) == ("https://news.example/item", "Page")
    assert (view.utm_source, view.user_agent) == ("mail", USER_AGENT)
    assert view.has_caller_id
    assert signup.properties == {"plan": "pro", "seats": 5, "trial": False}
    assert (signup.user_id, signup.session_id) == (view.user_id, view.session_id)
    assert view.user_id
    assert view.session_id
    context.new_page().goto(website.url)  # another tab: the same visitor, a session of its own
    other = wait_for(queue, 3)[2]
    assert other.user_id == view.user_id
    assert other.session_id != view.session_id
    assert page.evaluate("Object.keys(localStorage)") == []


def test_calls_before_it_is_there_are_kept(
    ingestion: ServiceProcess, make_website: MakeWebsite, queue: EventQueue, page: Page
) -> None:
    head = f"{STUB}; footfall('early', {{n: 1}}); footfall('second')"
    page.goto(make_website(ingestion.url, head=head).url)
    events = wait_for(queue, 3)
    assert Counter(e.event_type for e in events) == Counter(["page_view", "early", "second"])
    assert next(e for e in events if e.event_type == "early").properties == {"n": 1}


def test_the_hash_is_a_page_where_the_site_says_so(
    ingestion: ServiceProcess, make_website: MakeWebsite, queue: EventQueue, page: Page
) -> None:
    website = make_website(ingestion.url, attributes="data-hash")
    page.goto(f"{website.url}/app/#/cart?step=2")
    page.evaluate("location.hash = '#!/checkout'")
    page.evaluate("location.hash = '#!/checkout?step=2'")
    page.evaluate("location.hash = ''")
    events = wait_for(queue, 3)
    assert Counter(e.path for e in events) == Counter(["/app/cart", "/app/checkout", "/app/"])


def test_a_page_out_of_the_back_forward_cache_is_viewed_again(
    website: Website, queue: EventQueue, page: Page
) -> None:
    page.goto(website.url)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert [event.event_type for event in wait_for(queue, 2)] == ["page_view"] * 2


@pytest.mark.parametrize("away", ["redis", "ingestion"])
def test_what_was_not_accepted_is_sent_once_more_and_counts_once(
    settings: Settings, valkey: ValkeyServer, make_website: MakeWebsite, page: Page, away: str
) -> None:
    with Stack(dataclasses.replace(settings, spool_max_bytes=0), workers=1) as stack:
        website = make_website(stack.ingestion.url)
        page.goto(f"{website.url}/a")
        wait_until(lambda: stack.status()["accepted"] == 1)
        victim: Any = valkey if away == "redis" else stack.ingestion
        victim.kill()
        navigate(page, "pushState({}, '', '/b')")
        wait_until(lambda: waiting(page) == 1)
        victim.start()
        time.sleep(RECONNECTED_SECONDS)
        navigate(page, "pushState({}, '', '/c')")
        wait_until(lambda: waiting(page) == 0)
        wait_until(lambda: stack.status().get("accepted", 0) >= 3)
        ledger = stack.settle()
        assert (ledger["stored"], ledger["balanced"]) == (3, True)
        paths = stack.stats(site_id=SITE)["top_paths"]
        assert paths == [{"path": path, "views": 1} for path in ("/a", "/b", "/c")]


def settle(page: Page) -> None:
    """Wait until the tracker knows the answer to all that it has sent."""
    page.evaluate("Promise.all(sent).then(() => new Promise(done => setTimeout(done)))")


def waiting(page: Page) -> int:
    """How many events wait in the browser."""
    found: int = page.evaluate(f"JSON.parse({QUEUE} || '[]').length")
    return found


@pytest.mark.parametrize("status", [408, 429, 503])
def test_what_may_be_accepted_another_time_is_sent_once_more(
    website: Website, queue: EventQueue, page: Page, status: int
) -> None:
    cors = {"Access-Control-Allow-Origin": "*"}
    page.route("**/event?*", lambda route: route.fulfill(status=status, headers=cors))
    page.goto(f"{website.url}/a")
    wait_until(lambda: waiting(page) == 1)
    page.unroute("**/event?*")
    navigate(page, "pushState({}, '', '/b')")
    wait_until(lambda: waiting(page) == 0)
    assert {event.path for event in wait_for(queue, 2)} == {"/a", "/b"}


def test_what_fails_twice_is_gone_and_little_is_kept(
    website: Website, queue: EventQueue, valkey: ValkeyServer, page: Page
) -> None:
    page.goto(website.url)
    settle(page)
    valkey.kill()
    for number in range(30):
        page.evaluate(f"footfall('lost-{number}')")
    settle(page)
    assert waiting(page) == 20
    page.evaluate("dispatchEvent(new Event('pagehide'))")  # sends them again, in vain
    settle(page)
    assert waiting(page) == 0
    valkey.start()
    time.sleep(RECONNECTED_SECONDS)
    page.evaluate("footfall('last')")
    assert [event.event_type for event in wait_for(queue, 2)] == ["page_view", "last"]


def test_what_waits_is_sent_when_the_page_goes(
    website: Website, queue: EventQueue, valkey: ValkeyServer, page: Page
) -> None:
    valkey.kill()
    page.goto(f"{website.url}/a")
    wait_until(lambda: waiting(page) == 1)
    event_id = page.evaluate(f"JSON.parse({QUEUE})[0].event_id")
    valkey.start()
    time.sleep(RECONNECTED_SECONDS)
    page.goto("about:blank")
    [event] = wait_for(queue, 1)
    assert (event.event_id, event.path) == (event_id, "/a")
    assert event.timestamp < event.received_at  # when it happened, not when it arrived


def test_an_event_of_a_page_that_goes_is_sent(
    website: Website, queue: EventQueue, page: Page
) -> None:
    page.goto(website.url)
    wait_for(queue, 1)
    page.evaluate("addEventListener('visibilitychange', () => footfall('left'))")
    page.goto("about:blank")
    assert wait_for(queue, 2)[1].event_type == "left"


def test_an_event_without_an_answer_is_sent_again_by_the_next_page(
    website: Website, queue: EventQueue, page: Page
) -> None:
    page.goto(website.url)
    settle(page)
    page.evaluate(UNHEARD)
    page.evaluate("footfall('unanswered')")
    wait_for(queue, 2)  # it arrived, and the page never hears of it
    page.goto(f"{website.url}/next")
    wait_until(lambda: len(queued(queue)) == 4)
    events = wait_for(queue, 3)
    assert [e.event_type for e in events].count("unanswered") == 2


def test_who_does_not_want_to_be_counted_is_not(
    website: Website, queue: EventQueue, page: Page
) -> None:
    page.goto(f"{website.url}/elsewhere")
    wait_for(queue, 1)
    page.evaluate("localStorage.footfall_ignore = 1")
    page.goto(website.url)
    page.evaluate("footfall('ignored')")
    page.evaluate("localStorage.removeItem('footfall_ignore')")
    page.evaluate("footfall('counted')")
    # Each once, though a page that is left before it hears an answer lets the next one send again.
    types = {event.event_id: event.event_type for event in wait_for(queue, 2)}
    assert list(types.values()) == ["page_view", "counted"]


def test_a_browser_that_a_program_drives_is_not_counted(
    website: Website, queue: EventQueue, browser: Browser, page: Page
) -> None:
    with browser.new_context(user_agent=USER_AGENT) as driven:
        other = driven.new_page()
        other.goto(website.url)
        assert other.evaluate("navigator.webdriver") is True
        other.evaluate("footfall('driven')")
    page.goto(f"{website.url}/counted")
    assert [event.path for event in wait_for(queue, 1)] == ["/counted"]


def test_without_storage_it_counts_all_the_same(
    website: Website, queue: EventQueue, context: BrowserContext, page: Page
) -> None:
    for name in ("localStorage", "sessionStorage"):
        refusal = f"Object.defineProperty(window, '{name}', {{get() {{ throw new Error() }}}})"
        context.add_init_script(refusal)
    page.goto(website.url)
    settle(page)
    page.evaluate("footfall('signup')")
    view, signup = wait_for(queue, 2)
    assert view.session_id == signup.session_id


def test_nothing_it_is_given_is_thrown_back(
    website: Website, queue: EventQueue, page: Page
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(website.url)
    page.evaluate("() => { const own = {}; own.self = own; footfall('cyclic', own); footfall() }")
    page.evaluate("footfall('fine')")
    wait_for(queue, 2)
    assert errors == []


def test_a_page_that_has_it_twice_counts_once(
    ingestion: ServiceProcess, make_website: MakeWebsite, queue: EventQueue, page: Page
) -> None:
    again = f"<script defer src={ingestion.url}/tracker.v1.js data-site={SITE}></script>"
    website = make_website(ingestion.url, attributes=f"></script>{again[:-10]}")
    page.goto(website.url)
    assert page.evaluate("document.scripts.length") == 3
    page.evaluate("footfall('after')")
    assert {e.event_type for e in wait_for(queue, 2)} == {"page_view", "after"}
