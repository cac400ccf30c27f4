"""A day's receipt: whatever is sent through the door is in it, and it adds up to the ledger."""

import json
from collections import Counter
from typing import Any

from flask.testing import FlaskClient

from ingestion.app import Ingestion
from reporting.app import create_app
from shared.clock import DAY_MS, iso_from_ms, now_ms
from shared.db.database import writing_engine
from shared.db.tables import OUTCOME_SHARDS, outcomes
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.conftest import MakeIngestion
from tests.migration import migrate
from worker.enrich.bots import BotRule
from worker.run.drain import Runtime, store
from worker.stopping import StopFlag

# The worker's clock is the machine's, and midnight may come meanwhile.
NOW = now_ms()
DAY, NEXT = (iso_from_ms(moment)[:10] for moment in (NOW, NOW + DAY_MS))
KEY = {"Authorization": "Bearer key"}
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def view(**fields: Any) -> dict[str, Any]:
    return {"site_id": "shop", "event_type": "page_view", "path": "/", **fields}


def post(app: Ingestion, body: Any, **headers: str) -> int:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return app.test_client().post("/event", data=data, headers=KEY | headers).status_code


def send_a_day(app: Ingestion) -> Counter[int]:
    """Robots, bursts, repeats and refusals: how many requests were answered with which status."""
    bodies: list[Any] = [
        *(view(event_id=f"sale-{number}", user_id=f"u{number}") for number in range(4)),
        *(view(event_id="sale-0", user_id="u0") for _ in range(2)),
        *(view(user_id="hasty", timestamp=NOW) for _ in range(5)),
        [view(user_id="one"), {"site_id": "shop"}, {"site_id": "blog"}],
        view(site_id="blog", user_id="reader"),
        {"site_id": "shop"},
        {"event_type": "page_view"},
        b"site_id=shop",
        b" " * 2_000_000,
    ]
    statuses = Counter(post(app, body) for body in bodies)
    statuses[post(app, view(user_id="robot"), **{"User-Agent": CRAWLER})] += 1
    statuses[post(app, view(), Authorization="Bearer wrong")] += 1
    return statuses


def store_all(settings: Settings, queue: EventQueue) -> None:
    """As a worker that drops robots and bursts of more than two; of what a version before it
    stored, only the ledger tells."""
    engine = writing_engine(settings)
    migrate(engine)
    rule = BotRule(burst_limit=2, drops_crawlers=True)
    runtime = Runtime(queue, engine, StopFlag(), rule)
    while batch := queue.claim():
        store(runtime, batch)
    older = {"outcome": "stored", "reason": "", "shard": OUTCOME_SHARDS, "events": 7}
    with engine.begin() as connection:
        connection.execute(outcomes.insert(), older)
    engine.dispose()


def outcomes_in(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "refused"}


def refusals_in(part: dict[str, Any]) -> dict[tuple[int, str], int]:
    return {(row["status"], row["code"]): row["number"] for row in part["refused"]}


def asked(reports: FlaskClient, site_id: str = "") -> dict[str, Any]:
    answer = reports.get(
        "/stats/receipt", query_string={"from": DAY, "to": NEXT, "site_id": site_id}
    )
    assert answer.status_code == 200
    return dict(answer.get_json())


def test_a_day_of_robots_bursts_repeats_and_refusals_adds_up_to_what_was_sent(
    settings: Settings, queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    app = make_ingestion(lambda: NOW, ingest_auth=True, api_auth="key")
    full = make_ingestion(lambda: NOW, ingest_auth=True, api_auth="key", max_backlog=1)
    assert send_a_day(app) == {202: 14, 400: 3, 413: 1, 401: 1}
    assert post(full, [view(), view()]) == 503
    queue.push([b"{"])
    for door in (app.door, full.door):
        door.keeper.work()
        door.keeper.work()  # tells nothing twice
    store_all(settings, queue)
    reports = create_app(settings, clock=lambda: NOW).test_client()

    receipt = asked(reports, "shop")
    assert outcomes_in(receipt["total"]) == {
        "received": 13,
        "stored": 7,
        "duplicates": 2,
        "dropped": {"bot": 1, "burst": 3},
        "dead": 0,
        "erased": 0,
    }
    assert receipt["days"] == [{"date": DAY, **receipt["total"]}]
    # One alone, one among others; two of one request.
    assert refusals_in(receipt["total"]) == {(400, "missing_field"): 2, (503, "backlog_full"): 2}
    assert outcomes_in(receipt["without_site"]) == {
        "received": 1,
        "stored": 0,
        "duplicates": 0,
        "dropped": {},
        "dead": 1,
        "erased": 0,
    }
    assert refusals_in(receipt["without_site"]) == {
        (400, "missing_field"): 1,
        (400, "invalid_json"): 1,
        (401, "unauthorized"): 1,
        (413, "too_large"): 1,
    }
    assert receipt["before"]["stored"] == receipt["before"]["received"] == 7

    everybody = asked(reports)
    parts = [everybody[name] for name in ("total", "without_site", "before")]
    assert refusals_in(everybody["total"])[400, "missing_field"] == 3
    ledger = reports.get("/pipeline/status").get_json()
    for name in ("stored", "duplicates", "dead"):
        assert sum(part[name] for part in parts) == ledger[name]
    dropped = sum((Counter(part["dropped"]) for part in parts), Counter[str]())
    assert dropped == ledger["dropped"]
    assert sum(part["received"] for part in parts) == ledger["accepted"] + 7
