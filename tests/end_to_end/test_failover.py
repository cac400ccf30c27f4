"""A Redis is demoted under a running Footfall, all of whose connections stay open to it."""

import dataclasses
import threading
import time

import pytest
from sqlalchemy import create_engine, text

from shared.settings import Settings
from tests.counted import differences
from tests.failover import Pair
from tests.redis_faults import FAULTS
from tests.servers import ValkeyServer, wait_until
from tests.stack import PeriodicProcess, Stack

# What is promised of every process.
GO_ON_SECONDS = 30
EVENT = {"site_id": "s", "event_type": "page_view"}


class Poster(threading.Thread):
    """Posts events with ids and users of their own, each until it is accepted."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.client = stack.door()
        self.accepted: list[str] = []
        self.refused = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            name = f"e{len(self.accepted)}"
            event = {"site_id": "s", "event_type": "page_view", "event_id": name, "user_id": name}
            status, answer = self.client.post(event)
            if status == 202:
                self.accepted.append(name)
            else:
                assert status == 503, answer
                self.refused += 1
            time.sleep(0.01)

    def wait_for_more(self) -> None:
        """Until events are accepted again."""
        enough = len(self.accepted) + 20
        wait_until(lambda: len(self.accepted) > enough, GO_ON_SECONDS)


def wait_for_stored(stack: Stack, number: int) -> None:
    """Until at least so many events are stored."""
    wait_until(lambda: stack.status().get("stored", 0) >= number, GO_ON_SECONDS)


def uncompacted(settings: Settings) -> int:
    engine = create_engine(settings.database_url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT COUNT(*) FROM recent_users")).scalar_one()
    engine.dispose()
    return int(found)


@pytest.mark.parametrize(("server", "moves"), [("granian", True), ("gunicorn", False)])
def test_every_process_goes_on_by_itself_and_each_event_is_stored_once(
    settings: Settings, pair: Pair, server: str, moves: bool
) -> None:
    # Without a spool it shows at once where nothing can be pushed.
    spool = settings.spool_max_bytes if moves else 0
    settings = dataclasses.replace(settings, redis_url=pair.url, spool_max_bytes=spool)
    with Stack(settings, server=server, workers=1) as stack, PeriodicProcess(settings):
        poster = Poster(stack)
        poster.start()
        poster.wait_for_more()
        wait_for_stored(stack, 1)
        if moves:
            pair.move()
        else:  # the address leads to a replica for a while
            pair.swap()
            wait_until(lambda: poster.refused > 5, GO_ON_SECONDS)
            assert stack.door().get("/ready")[0] == 503
            pair.swap()
        before = stack.status()["stored"]
        poster.wait_for_more()
        assert stack.door().get("/ready")[0] == 200
        wait_for_stored(stack, before + 1)
        poster.done.set()
        poster.join()
        # A batch that a worker had in hand is adopted when its lease ends.
        ledger = stack.settle()
        assert ledger["balanced"]
        assert ledger["workers"] == 1
        assert ledger["accepted"] == ledger["stored"] == len(poster.accepted)
        assert sorted(stack.stored_ids()) == sorted(poster.accepted)
        # The periodic process enqueues and works.
        wait_until(lambda: uncompacted(settings) == 0, GO_ON_SECONDS)
        assert differences(settings) == []


def test_every_process_outlives_whatever_ails_its_redis(settings: Settings) -> None:
    with ValkeyServer() as server, server.client() as admin:
        settings = dataclasses.replace(settings, redis_url=server.url)
        with Stack(settings, workers=1) as stack, PeriodicProcess(settings) as periodic:
            for number, (fault, _) in enumerate(FAULTS, start=1):
                with fault(admin, server.directory):
                    time.sleep(1.5)  # longer than between two sweeps
                wait_until(lambda: stack.door().post(EVENT)[0] == 202, GO_ON_SECONDS)
                wait_for_stored(stack, number)
            assert stack.settle(GO_ON_SECONDS)["balanced"]
            assert differences(settings) == []
            assert not any(process.has_ended() for process in (*stack.processes, periodic))
