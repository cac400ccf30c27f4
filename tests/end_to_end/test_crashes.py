"""`kill -9` of anything at any moment: what was accepted is stored, once."""

import dataclasses
import json
import random
import sqlite3
import time
from typing import Any

import pytest

from shared.settings import Settings
from tests.counted import differences
from tests.poster import Poster
from tests.promises import within_a_second
from tests.servers import PATIENCE_SECONDS, SqlServer, ValkeyServer, wait_until
from tests.stack import PeriodicProcess, Stack

CLIENTS = 4
SECONDS = 6.0
# Accepted events, for a machine on which that takes longer.
ENOUGH = 1000
CHAOS_SECONDS = 60.0


def run_with_kills(
    stack: Stack, victims: list[Any], *, keyed: bool, seconds: float = SECONDS
) -> list[Poster]:
    """Post for some seconds while killing and restarting victims at random moments."""
    posters = [Poster(stack.door(), f"p{n}", keyed=keyed) for n in range(CLIENTS)]
    for poster in posters:
        poster.start()
    random_ = random.Random(7)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or sum(len(p.accepted) for p in posters) < ENOUGH:
        assert time.monotonic() < deadline + PATIENCE_SECONDS
        time.sleep(random_.uniform(0.1, 0.8))
        victim = random_.choice(victims)
        victim.kill()
        time.sleep(random_.uniform(0.0, 0.3))
        victim.start()
    for poster in posters:
        poster.done.set()
    for poster in posters:
        poster.join(PATIENCE_SECONDS)
        assert not poster.is_alive()
        assert poster.wrong == []
    return posters


# `make chaos` runs all pairs, for longer; of the others, tests/bench/test_chaos.py has some.
PAIRS = [
    pytest.param("granian", "oceanbase", SECONDS),
    pytest.param("granian", "mariadb", CHAOS_SECONDS, marks=pytest.mark.chaos),
    pytest.param("gunicorn", "sqlite", CHAOS_SECONDS, marks=pytest.mark.chaos),
    pytest.param("granian", "sqlite", CHAOS_SECONDS, marks=pytest.mark.chaos),
    pytest.param("gunicorn", "mariadb", CHAOS_SECONDS, marks=pytest.mark.chaos),
    pytest.param("gunicorn", "oceanbase", CHAOS_SECONDS, marks=pytest.mark.chaos),
    pytest.param("granian", "oceanbase", CHAOS_SECONDS, marks=pytest.mark.chaos),
]


@pytest.mark.parametrize(("server", "database", "seconds"), PAIRS)
def test_kill_9_loses_nothing_and_doubles_nothing(
    request: pytest.FixtureRequest,
    settings: Settings,
    valkey: ValkeyServer,
    server: str,
    database: str,
    seconds: float,
) -> None:
    url = request.getfixturevalue(f"{database}_url")
    configured = dataclasses.replace(settings, database_url=url, batch_size=200)
    with Stack(configured, server=server) as stack, PeriodicProcess(configured) as periodic:
        victims = [*stack.workers, periodic, stack.ingestion, valkey]
        posters = run_with_kills(stack, victims, keyed=True, seconds=seconds)
        ledger = stack.settle(120)
        accepted = [event_id for poster in posters for event_id in poster.accepted]
        assert sorted(stack.stored_ids()) == sorted(accepted)
        assert ledger["accepted"] == ledger["stored"] + ledger["duplicates"]
        assert ledger["stored"] == len(accepted)
        assert ledger["dead"] == 0
        assert ledger["dropped"] == {}
        assert ledger["balanced"]
        assert stack.stats(site_id="s")["unique_users"] == len(accepted)
        assert differences(configured) == []


def test_without_callers_ids_accepted_events_are_stored_exactly_once(
    settings: Settings, valkey: ValkeyServer
) -> None:
    """Nothing that was answered 202 is missing or double; of what was never answered, who knows."""
    with Stack(dataclasses.replace(settings, batch_size=200)) as stack:
        posters = run_with_kills(stack, [*stack.workers, stack.ingestion, valkey], keyed=False)
        ledger = stack.settle(120)
        accepted = {event_id for poster in posters for event_id in poster.accepted}
        unanswered = {event_id for poster in posters for event_id in poster.unanswered}
        users = stored_users(stack)
        assert len(users) == len(set(users)) == ledger["stored"]
        assert accepted <= set(users) <= accepted | unanswered
        assert ledger["balanced"]
        assert differences(stack.settings) == []


def stored_users(stack: Stack) -> list[str]:
    path = stack.settings.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        return [row[0] for row in connection.execute("SELECT user_id FROM events")]


@pytest.mark.parametrize("database", ["mariadb", "oceanbase"])
def test_a_database_outage_is_waited_out_and_not_noticed_at_the_door(
    request: pytest.FixtureRequest, settings: Settings, database: str
) -> None:
    server: SqlServer = request.getfixturevalue(database)
    url = request.getfixturevalue(f"{database}_url")
    with Stack(dataclasses.replace(settings, database_url=url)) as stack:
        door = stack.door()
        event = {"site_id": "s", "event_type": "page_view"}
        assert door.post([event] * 100)[0] == 202
        stack.settle()
        server.kill()
        for _ in range(20):
            with within_a_second():
                assert door.post([event] * 100)[0] == 202
            time.sleep(0.1)
        status, answer = stack.reports().get("/stats", site_id="s")
        assert (status, answer["code"]) == (503, "database_unavailable")
        assert stack.reports().get("/ready")[0] == 503
        server.start()
        ledger = stack.settle()
        assert ledger["stored"] == ledger["accepted"] == 2100
        assert stack.stats(site_id="s")["total_views"] == 2100
        assert differences(stack.settings) == []


def test_redis_away_without_a_spool_is_answered_503_at_once_and_recovery_needs_no_restart(
    settings: Settings, valkey: ValkeyServer
) -> None:
    with Stack(dataclasses.replace(settings, spool_max_bytes=0), workers=1) as stack:
        door = stack.door()
        event = {"site_id": "s", "event_type": "page_view"}
        assert door.post(event)[0] == 202
        valkey.kill()
        for _ in range(5):
            with within_a_second():
                status, answer = door.post(event)
            assert (status, answer["code"]) == (503, "queue_unavailable")
        assert door.get("/ready")[0] == 503
        assert door.get("/health")[0] == 200
        valkey.start()
        wait_until(lambda: door.post(event)[0] == 202)
        assert stack.settle()["stored"] == 2
        assert differences(settings) == []


def test_redis_away_is_answered_202_and_what_was_kept_is_counted_once_it_is_back(
    settings: Settings, valkey: ValkeyServer
) -> None:
    with Stack(settings, workers=1) as stack:
        door = stack.door()
        event = {"site_id": "s", "event_type": "page_view"}
        assert door.post(event)[0] == 202
        valkey.kill()
        for _ in range(5):
            with within_a_second():
                assert door.post([event] * 20)[0] == 202
        status, answer = door.get("/ready")
        assert status == 200
        assert "spool" in json.dumps(answer)
        valkey.start()
        ledger = stack.settle()
        assert (ledger["stored"], ledger["spooled"], ledger["balanced"]) == (101, 0, True)
        assert differences(settings) == []


def test_a_full_backlog_is_refused_until_it_drains(settings: Settings) -> None:
    with Stack(dataclasses.replace(settings, max_backlog=100), workers=1) as stack:
        stack.workers[0].pause()
        door = stack.door()
        event = {"site_id": "s", "event_type": "page_view"}
        assert door.post([event] * 100)[0] == 202
        status, answer = door.post(event)
        assert (status, answer["code"]) == (503, "backlog_full")
        stack.workers[0].resume()
        stack.settle()
        assert door.post(event)[0] == 202
        assert stack.settle()["stored"] == 101
        assert differences(settings) == []


def test_a_worker_asked_to_stop_finishes_what_it_holds(settings: Settings) -> None:
    with Stack(settings, workers=1) as stack:
        stack.door().post([{"site_id": "s", "event_type": "page_view"}] * 1000)
        assert stack.workers[0].stop() == 0
        assert "Traceback" not in stack.workers[0].log()
        status = stack.status()
        assert status["processing"] == 0
        assert status["stored"] + status["queued"] == 1000
        assert differences(settings) == []
