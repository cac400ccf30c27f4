"""What broke in five earlier systems, end to end: accepted by the door, seen in the numbers."""

import dataclasses
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.ingestion.protocols.test_prior_art import DOCUMENTED
from tests.servers import wait_until
from tests.stack import Stack, WorkerProcess

NOON = 1_763_208_000  # 2025-11-15T12:00:00Z, in seconds
DAY = "2025-11-15"
ONE = {"site_id": "s", "event_type": "page_view", "timestamp": NOON}


@pytest.fixture
def home(settings: Settings, database_url: str) -> Iterator[Stack]:
    """A stack for clients that name no site."""
    configured = dataclasses.replace(settings, database_url=database_url, default_site_id="home")
    with Stack(configured) as stack:
        yield stack


def test_every_documented_request_is_counted(home: Stack) -> None:
    door = home.door()
    for _, sent, _ in DOCUMENTED:
        assert door.post(sent)[0] == 202
    assert home.settle()["stored"] == len(DOCUMENTED)
    sites = home.reports().get("/sites")[1]["sites"]
    assert sum(site["total_events"] for site in sites) == len(DOCUMENTED)
    # createdAt in seconds is stored, and counted on its day.
    logins = home.stats(site_id="home", date=DAY, event_type="login")
    assert (logins["total_views"], logins["unique_users"]) == (2, 1)
    views = home.stats(site_id="home", date=DAY)["top_paths"]
    assert views == [{"path": "/cart", "views": 1}, {"path": "/products", "views": 1}]


def test_equal_events_and_concurrent_first_ones_all_count(stack: Stack) -> None:
    with ThreadPoolExecutor(10) as threads:
        clients = [stack.door() for _ in range(10)]
        answers = list(threads.map(lambda client: client.post(ONE), clients))
    assert [status for status, _ in answers] == [202] * 10
    stack.settle()
    assert stack.stats(site_id="s", date=DAY)["total_views"] == 10


def test_an_offset_lands_on_the_right_day(stack: Stack) -> None:
    door = stack.door()
    assert door.post(ONE | {"timestamp": "2025-11-15T01:30:00+05:30"})[0] == 202
    stack.settle()
    assert stack.stats(site_id="s", date="2025-11-14")["total_views"] == 1
    assert stack.stats(site_id="s", date="2025-11-15")["total_views"] == 0
    assert stack.stats(site_id="s", date="2025-11-15", tz="Asia/Kolkata")["total_views"] == 1


def test_fifteen_views_of_one_user_in_a_second_are_ten_and_a_crawler_s_none(stack: Stack) -> None:
    door = stack.door()
    for number in range(15):
        assert door.post(ONE | {"user_id": "u", "path": f"/{number}"})[0] == 202
        time.sleep(0.05)  # several batches
    crawler = {"User-Agent": "Mozilla/5.0 (compatible; bingbot/2.0)"}
    assert door.post(ONE | {"user_id": "bing"}, **crawler)[0] == 202
    ledger = stack.settle()
    assert (ledger["stored"], ledger["dropped"]) == (10, {"bot": 1, "burst": 5})
    assert ledger["balanced"]
    stats = stack.stats(site_id="s", date=DAY)
    assert (stats["total_views"], stats["unique_users"]) == (10, 1)


def test_a_request_for_another_site_by_an_operator_is_refused(stack: Stack) -> None:
    stack.door().post(ONE)
    stack.settle()
    status, answer = stack.reports().get("/stats", **{"site_id[$ne]": "x"})
    assert (status, answer["field"]) == (400, "site_id[$ne]")


def test_a_path_of_501_characters_stops_no_worker(stack: Stack) -> None:
    path = "/" + "ä" * 500
    door = stack.door()
    assert door.post(ONE | {"path": path})[0] == 202
    assert door.post(ONE | {"path": "/next"})[0] == 202
    stack.settle()
    paths = {row["path"] for row in stack.stats(site_id="s", date=DAY)["top_paths"]}
    assert paths == {path, "/next"}


def test_a_message_that_is_no_event_is_parked_and_the_rest_goes_on(stack: Stack) -> None:
    queue = EventQueue(stack.settings)
    queue.push([b"not json at all", b"\xff\x00", b"[]"])
    queue.close()
    assert stack.door().post(ONE)[0] == 202
    ledger = stack.settle()
    assert (ledger["stored"], ledger["dead"], ledger["balanced"]) == (1, 3, True)
    assert not any(worker.has_ended() for worker in stack.workers)


def test_many_events_are_few_transactions(settings: Settings) -> None:
    with Stack(settings, workers=1) as stack:
        stack.workers[0].pause()
        door = stack.door()
        for _ in range(5):
            assert door.post([ONE] * 1000)[0] == 202
        stack.workers[0].resume()
        assert stack.settle()["stored"] == 5000
        path = settings.database_url.removeprefix("sqlite:///")
        with sqlite3.connect(path) as connection:
            [(batches,)] = connection.execute("SELECT COUNT(*) FROM batch_ledger").fetchall()
        connection.close()
        assert batches <= 4


def test_no_process_prints_the_database_s_password(settings: Settings) -> None:
    url = "mysql://someone:topsecret@127.0.0.1:1/none"
    worker = WorkerProcess(
        "worker",
        {"REDIS_URL": settings.redis_url, "DATABASE_URL": url, "LOG_LEVEL": "debug"},
    )
    queue = EventQueue(settings)
    queue.push([b"[]"])
    queue.close()
    with worker:
        wait_until(lambda: "waiting" in worker.log())
        assert "topsecret" not in worker.log()


def test_what_is_accepted_is_seen_within_a_second(stack: Stack) -> None:
    door = stack.door()
    seconds = []
    for number in range(8):
        started = time.monotonic()
        assert door.post(ONE | {"site_id": f"quiet-{number}"})[0] == 202
        while not stack.stats(site_id=f"quiet-{number}", date=DAY)["total_views"]:
            time.sleep(0.01)
        seconds.append(time.monotonic() - started)
        time.sleep(0.3)
    # A machine that does other things as well delays some of them, and never all.
    assert min(seconds) < 1, seconds
