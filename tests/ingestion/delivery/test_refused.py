"""What was refused, on its way to Redis: bounded, and not lost while Redis is away."""

import pytest
import redis

from ingestion.delivery import refused
from ingestion.delivery.refused import RefusalCount, site_named
from ingestion.protocols.posted import POST_EVENT
from shared.clock import DAY_MS
from shared.queue import refusals
from shared.queue.event_queue import EventQueue
from shared.queue.refusals import NO_SITE, Refused
from tests.events import NOW
from tests.servers import ValkeyServer

TODAY = NOW - NOW % DAY_MS


def test_sites_that_clients_think_up_fill_neither_memory_nor_redis(queue: EventQueue) -> None:
    many = max(refused.MOST_ROWS, refusals.MOST_ROWS)
    count = RefusalCount()
    for number in range(3 * many):
        count.add(NOW, Refused(f"site-{number}", 400, "missing_field"))
        if number % many == 0:
            count.tell(queue)
    assert len(count.counted) <= refused.MOST_ROWS + 1
    count.tell(queue)
    found = queue.fetch_refusals([TODAY])[TODAY]
    assert len(found) <= refusals.MOST_ROWS + 1
    assert found.total() == 3 * many
    assert found[Refused(NO_SITE, 400, "missing_field")] > 0


def test_what_redis_does_not_hear_is_told_later(queue: EventQueue, valkey: ValkeyServer) -> None:
    count = RefusalCount()
    full = Refused("shop", 503, "backlog_full")
    count.add(NOW, full, 3)
    valkey.kill()
    with pytest.raises(redis.RedisError):
        count.tell(queue)
    valkey.revive()
    count.add(NOW, full)
    count.add(NOW + DAY_MS, full)
    count.tell(queue)
    days = [TODAY, TODAY + DAY_MS]
    assert queue.fetch_refusals(days) == {days[0]: {full: 4}, days[1]: {full: 1}}


@pytest.mark.parametrize(
    ("raw", "site_id"),
    [
        ({"site_id": "shop"}, "shop"),
        ({}, "default"),
        ({"site_id": 7}, NO_SITE),
        ({"site_id": " "}, NO_SITE),
        ({"site_id": "x" * 256}, NO_SITE),
        ("shop", NO_SITE),
    ],
)
def test_a_site_is_read_of_what_is_refused_where_it_could_be_one(raw: object, site_id: str) -> None:
    assert site_named(raw, POST_EVENT.aliases, "default") == site_id
