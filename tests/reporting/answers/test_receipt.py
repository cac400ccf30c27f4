"""What a receipt says, added up or not, on each kind of database."""

import dataclasses

from flask.testing import FlaskClient
from sqlalchemy import Engine

from reporting.app import create_app
from shared.clock import DAY_MS
from shared.settings import Settings
from tests.events import NOW, make_event
from tests.reporting.conftest import Store
from tests.servers import free_port
from worker.stopping import StopFlag
from worker.upkeep.receipts import add_receipts


def test_it_is_the_same_before_and_after_it_is_added_up(
    reports: FlaskClient, store: Store, writing: Engine
) -> None:
    yesterday = NOW - DAY_MS
    store(make_event(1, received_at=yesterday), make_event(2), make_event(3, site_id="other"))
    store(make_event(1, received_at=yesterday), make_event(4), make_event(5, received_at=-1))
    store(make_event(6, received_at=NOW - 2 * DAY_MS))  # of a day that is not asked for
    asked = [
        f"/stats/receipt?from=2025-11-14&to=2025-11-15{site}"
        for site in ("&site_id=site-a", "", "&site_id=nobody")
    ]
    waiting = [reports.get(path).get_json() for path in asked]
    assert add_receipts(writing, StopFlag()) == 3
    assert [reports.get(path).get_json() for path in asked] == waiting
    mine, everybodys, nobodys = waiting
    days = [(day["date"], day["stored"], day["duplicates"]) for day in mine["days"]]
    assert days == [("2025-11-14", 1, 1), ("2025-11-15", 2, 0)]
    assert mine["total"]["received"] == 4
    assert everybodys["total"]["received"] == 5
    assert nobodys["days"] == []
    for receipt in waiting:
        assert receipt["without_site"]["stored"] == 1
        assert receipt["before"]["received"] == 0


def test_while_redis_is_away_nothing_is_said_of_refusals(
    reporting_settings: Settings, store: Store
) -> None:
    store(make_event(1))
    away = dataclasses.replace(reporting_settings, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    app = create_app(away, clock=lambda: NOW)
    receipt = app.test_client().get("/stats/receipt").get_json()
    assert receipt["total"]["stored"] == 1
    assert receipt["total"]["refused"] is None
