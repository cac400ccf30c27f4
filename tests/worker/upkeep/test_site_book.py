"""The periodic process keeps what ingestion knows of sites true."""

from sqlalchemy import Engine

from shared.clock import DAY_MS, HOUR_MS
from shared.queue.event_queue import EventQueue
from shared.sites.published import PublishedSites
from shared.sites.stored import create_site, delete_site
from shared.sites.strangers import Strangers
from tests.events import NOW, make_batch, make_event
from tests.merged import merge
from worker.batch.commit import commit_batch
from worker.upkeep.site_book import keep_site_book


def keep(engine: Engine, queue: EventQueue, now: int) -> None:
    keep_site_book(engine, PublishedSites(queue), Strangers(queue, 100), now)


def sites(queue: EventQueue) -> set[str]:
    strangers = Strangers(queue, 100)
    return {site_id.decode() for site_id in queue.redis.zrange(strangers.key, 0, -1)}  # type: ignore[union-attr]


def test_sites_with_events_are_entered_whether_merged_or_not(
    engine: Engine, queue: EventQueue
) -> None:
    commit_batch(engine, make_batch("a", make_event(1, site_id="merged", user_id=None)), NOW)
    merge(engine)
    commit_batch(engine, make_batch("b", make_event(2, site_id="pending", user_id=None)), NOW)
    commit_batch(engine, make_batch("c", make_event(3, site_id="registered")), NOW)
    create_site(engine, "registered", {"name": "R"}, NOW)
    keep(engine, queue, NOW)
    assert sites(queue) == {"merged", "pending"}
    published = PublishedSites(queue).fetch()
    assert published is not None
    assert list(published.sites) == ["registered"]


def test_a_redis_that_lost_everything_has_it_back(engine: Engine, queue: EventQueue) -> None:
    commit_batch(engine, make_batch("a", make_event(1, site_id="there")), NOW)
    create_site(engine, "registered", {}, NOW)
    keep(engine, queue, NOW)
    queue.redis.flushall()
    keep(engine, queue, NOW + 1)
    assert sites(queue) == {"there"}
    assert PublishedSites(queue).fetch() is not None


def test_those_without_events_leave_after_a_day_and_not_before(
    engine: Engine, queue: EventQueue
) -> None:
    commit_batch(engine, make_batch("a", make_event(1, site_id="there")), NOW)
    keep(engine, queue, NOW)
    strangers = Strangers(queue, 100)
    strangers.enter(["empty"], NOW)
    keep(engine, queue, NOW + HOUR_MS - 1)
    keep(engine, queue, NOW + HOUR_MS)
    keep(engine, queue, NOW + DAY_MS - HOUR_MS)
    assert sites(queue) == {"there", "empty"}
    keep(engine, queue, NOW + DAY_MS + HOUR_MS)
    assert sites(queue) == {"there"}


def test_one_that_is_registered_is_no_stranger(engine: Engine, queue: EventQueue) -> None:
    commit_batch(engine, make_batch("a", make_event(1, site_id="there")), NOW)
    keep(engine, queue, NOW)
    assert sites(queue) == {"there"}
    create_site(engine, "there", {}, NOW)
    keep(engine, queue, NOW + 1)
    assert sites(queue) == set()
    delete_site(engine, "there")
    keep(engine, queue, NOW + 2)
    assert sites(queue) == {"there"}
