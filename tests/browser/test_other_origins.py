"""What pages of another origin may post from a real browser, and what it fetches ahead."""

import json
import urllib.request
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Page

from shared.queue.event_queue import EventQueue
from tests.browser.test_tracker import tracked_website
from tests.ingestion.wsgi import number, queued
from tests.servers import ServiceProcess, ValkeyServer, wait_until

SERVERS = ["granian", "gunicorn"]
EVENT = json.dumps({"site_id": "s", "event_type": "posted"})
JSON_BEACON = "([url, body]) => navigator.sendBeacon(url, new Blob([body], {type: '%s'}))"
FETCHED = """async ([url, body]) => {
    const answer = await fetch(url, {method: 'POST', body, ...%s});
    return (await answer.json()).status;
}"""
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WITH_CREDENTIALS = {"credentials": "include", "headers": {"Content-Type": "application/json"}}
WAYS = {
    "text beacon": (JSON_BEACON % "text/plain", True),
    "JSON beacon": (JSON_BEACON % "application/json", True),
    "fetch": (FETCHED % "{}", "accepted"),
    "with credentials": (FETCHED % json.dumps(WITH_CREDENTIALS), "accepted"),
    "with a trace": (FETCHED % json.dumps({"headers": {"traceparent": TRACE}}), "accepted"),
    "by a library": (
        FETCHED % json.dumps({"headers": {"X-Requested-With": "XMLHttpRequest"}}),
        "accepted",
    ),
    "with all": (
        FETCHED
        % json.dumps({"credentials": "include", "headers": {"traceparent": TRACE, "X": "1"}}),
        "accepted",
    ),
}


@pytest.fixture(params=SERVERS)
def ingestion(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[ServiceProcess]:
    given = {"REDIS_URL": valkey.url, "INGESTION_SERVER": request.param}
    with ServiceProcess("ingestion", given) as service:
        yield service


@pytest.fixture
def other_origin(ingestion: ServiceProcess, page: Page) -> Iterator[Page]:
    """A page that is not ingestion's. It has the tracker, which leaves a driven browser out."""
    website = tracked_website(ingestion.url)
    page.goto(website.url)
    yield page
    website.close()


def test_a_page_of_another_origin_may_post_in_every_way(
    ingestion: ServiceProcess, other_origin: Page, queue: EventQueue
) -> None:
    """Each with its preflight, and without a word in the console."""
    for count, (way, result) in enumerate(WAYS.values(), start=1):
        assert other_origin.evaluate(way, [f"{ingestion.url}/event", EVENT]) == result
        wait_until(partial(holds, queue, count))


def holds(queue: EventQueue, count: int) -> bool:
    return len(queued(queue)) == count


def test_what_the_browser_prefetches_is_not_counted(
    ingestion: ServiceProcess, other_origin: Page, queue: EventQueue
) -> None:
    image = f"{ingestion.url}/pixel.gif?site_id=s&event_type=page_view"
    other_origin.evaluate(
        "url => document.head.append(Object.assign(document.createElement('link'),"
        " {rel: 'prefetch', href: url}))",
        image,
    )
    wait_until(lambda: dropped(ingestion) == 1)
    assert queued(queue) == []


def dropped(ingestion: ServiceProcess) -> float:
    with urllib.request.urlopen(f"{ingestion.url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return number(text, 'footfall_ingestion_dropped_events_total{reason="prefetch"}')
