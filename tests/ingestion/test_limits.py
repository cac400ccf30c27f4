"""How much a site, an address and a key may bring, as whoever posts meets it."""

from collections.abc import Iterable
from typing import Any

import pytest

from ingestion import limits
from ingestion.app import Ingestion
from shared.clock import DAY_MS, now_ms
from shared.keys.keys import Key, Kind, digest_of
from shared.queue.event_queue import EventQueue
from shared.queue.limits import Charge
from shared.queue.refusals import Refused
from shared.sites.published import PublishedSites
from shared.sites.settings import settings_from
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import Answer, call, make_environ, post, queued
from tests.servers import ValkeyServer, free_port

MANY = {
    digest_of(f"ff_{number}"): Key(str(number), Kind.INGEST, events_per_day=number)
    for number in (100_000, 1_000_000)
}
ASKED = {"api_auth": "root", "ingest_auth": True}


def publish(queue: EventQueue, **sites: dict[str, Any]) -> None:
    keys = {digest_of("ff_some"): Key("some", Kind.INGEST, events_per_day=3), **MANY}
    settings = {site_id: settings_from(given) for site_id, given in sites.items()}
    published = PublishedSites(queue)
    assert published.replace(published.fetch_state()[0], "test", settings, keys)


def views(number: int, site_id: str = "shop") -> list[dict[str, Any]]:
    return [{"site_id": site_id, "event_type": "page_view", "path": "/"}] * number


def kept(queue: EventQueue) -> list[str]:
    found: Iterable[Any] = queue.redis.keys(f"{queue.prefix}:limit:*")
    return sorted(key.decode().partition(":limit:")[2] for key in found)


def test_nobody_has_a_limit_that_none_was_given(ingestion: Ingestion, queue: EventQueue) -> None:
    for _ in range(5):
        assert post(ingestion, views(1000)).status == 202
    assert kept(queue) == []


def until_refused(app: Ingestion, number: int, site_id: str = "shop", **environ: str) -> Answer:
    """The first answer that is not 202, of at most a hundred."""
    for _ in range(100):
        answer = post(app, views(number, site_id), **environ)
        if answer.status != 202:
            return answer
    raise AssertionError("none was refused")


def test_a_site_that_has_more_is_told_when_to_send_again(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    app = make_ingestion(site_events_per_second=50)
    answer = until_refused(app, 400)
    assert (answer.status, answer.json["code"]) == (429, "site_limit")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["status"] == "error"
    assert "shop may have 50 events a second" in answer.json["error"]
    assert len(queued(queue)) == 800
    assert post(app, views(1, "blog")).status == 202


def test_a_request_is_taken_whole_or_not_at_all(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    app = make_ingestion(site_events_per_second=10)
    until_refused(app, 1000)
    before = kept(queue)
    assert post(app, [*views(5, "blog"), *views(1)]).status == 429
    assert {event.site_id for event in queued(queue)} == {"shop"}
    assert kept(queue) == before


def test_a_site_s_own_limit_goes_before_the_others(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    publish(
        queue,
        shop={"events_per_second": 1, "aliases": ["7"]},
        large={"events_per_second": 0},
        other={},
    )
    app = make_ingestion(site_events_per_second=200)
    assert post(app, views(10)).status == 202
    assert until_refused(app, 1, "7").json["code"] == "site_limit"
    for _ in range(5):
        assert post(app, views(1000, "large")).status == 202
    assert until_refused(app, 1000, "other").status == 429
    assert kept(queue) == ["s:1:shop", "s:200:other"]


def test_a_site_may_be_the_only_one_that_has_a_limit(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    publish(queue, shop={"events_per_second": 1})
    app = make_ingestion()
    assert until_refused(app, 20).status == 429
    assert post(app, views(1000, "blog")).status == 202


def test_an_address_brings_so_much_for_whatever_sites(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    app = make_ingestion(address_events_per_second=50)
    answer = until_refused(app, 1000, REMOTE_ADDR="192.0.2.7")
    assert (answer.status, answer.json["code"]) == (429, "address_limit")
    assert post(app, views(1, "blog"), REMOTE_ADDR="192.0.2.7").status == 429
    assert post(app, views(1), REMOTE_ADDR="192.0.2.8").status == 202


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 429),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 202),
        ("::ffff:192.0.2.7", "192.0.2.7", 429),
    ],
)
def test_whoever_has_a_network_has_one_limit(
    one: str, other: str, status: int, make_ingestion: MakeIngestion
) -> None:
    app = make_ingestion(address_events_per_second=1)
    until_refused(app, 100, REMOTE_ADDR=one)
    assert post(app, views(1), REMOTE_ADDR=other).status == status


def test_behind_a_proxy_it_is_the_visitor_s_address(make_ingestion: MakeIngestion) -> None:
    app = make_ingestion(address_events_per_second=1, trusted_proxies=("10.0.0.0/8",))
    proxy = {"REMOTE_ADDR": "10.0.0.1"}
    until_refused(app, 100, HTTP_X_FORWARDED_FOR="192.0.2.7", **proxy)
    assert post(app, views(1), HTTP_X_FORWARDED_FOR="192.0.2.8", **proxy).status == 202


def test_no_address_is_kept(queue: EventQueue, make_ingestion: MakeIngestion) -> None:
    app = make_ingestion(address_events_per_second=1)
    app.door.salts.look_ahead(now_ms())
    post(app, views(100), REMOTE_ADDR="192.0.2.7")
    [limit] = kept(queue)
    assert limit.startswith("a:1:")
    assert "192.0.2.7" not in limit
    assert b"192.0.2.7".hex() not in limit
    assert bytes([192, 0, 2, 7]).hex() not in limit
    # All processes have the same salt.
    assert post(make_ingestion(address_events_per_second=1), views(1)).status == 202
    again = make_ingestion(address_events_per_second=1)
    again.door.salts.look_ahead(now_ms())
    assert post(again, views(1), REMOTE_ADDR="192.0.2.7").status == 429


def test_a_key_brings_so_many_a_day(queue: EventQueue, make_ingestion: MakeIngestion) -> None:
    publish(queue)
    app = make_ingestion(**ASKED)
    key = {"HTTP_AUTHORIZATION": "Bearer ff_some"}
    assert post(app, views(2), **key).status == 202
    answer = post(app, views(2), **key)
    assert (answer.status, answer.json["code"]) == (429, "key_quota")
    seconds = int(answer.headers["Retry-After"])
    assert abs(seconds * 1000 - (DAY_MS - now_ms() % DAY_MS)) < 60_000
    assert post(app, views(1), **key).status == 202
    assert post(app, views(1), **key).status == 429
    assert post(app, views(1), HTTP_AUTHORIZATION="root").status == 202


def test_what_is_dropped_or_refused_for_something_else_is_charged_to_nobody(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    publish(queue, shop={"excluded_users": ["owner"]})
    app = make_ingestion(**ASKED)
    key = {"HTTP_AUTHORIZATION": "ff_some"}
    for _ in range(3):
        assert post(app, {**views(1)[0], "user_id": "owner"}, **key).status == 202
        assert post(app, {"site_id": "shop"}, **key).status == 400
        assert post(app, views(1), HTTP_PURPOSE="prefetch", **key).status == 202
    assert kept(queue) == []


def test_redis_is_not_asked_again_for_what_it_has_said(
    queue: EventQueue, make_ingestion: MakeIngestion, valkey: ValkeyServer
) -> None:
    app = make_ingestion(site_events_per_second=1)
    until_refused(app, 1000)

    def calls() -> int:
        with valkey.client() as client:
            return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])

    before = calls()
    assert {post(app, views(1)).status for _ in range(20)} == {429}
    assert calls() == before


def test_what_is_refused_for_one_limit_is_given_back_to_another(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    """Of two processes one finds out what the other has used up."""
    publish(queue, shop={"events_per_second": 100}, blog={})
    one, other = (make_ingestion(**ASKED, site_events_per_second=0) for _ in range(2))
    key = MANY[digest_of("ff_1000000")]
    header = {"HTTP_AUTHORIZATION": "ff_1000000"}
    assert post(other, views(1, "blog"), **header).status == 202
    limit = other.door.limits.of_key(key, 1_000_000, now_ms() // DAY_MS)
    assert limit.leased == 99
    for _ in range(2):
        post(one, views(1000), HTTP_AUTHORIZATION="root")
    assert post(other, views(7), **header).json["code"] == "site_limit"
    assert limit.leased == 99
    assert post(other, views(7, "blog"), **header).status == 202
    assert limit.leased == 92


def test_too_little_for_a_lease_is_taken_without_one(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    publish(queue)
    app, key = make_ingestion(**ASKED), MANY[digest_of("ff_100000")]
    limit = app.door.limits.of_key(key, 100_000, now_ms() // DAY_MS)
    queue.push([b"1"], [Charge(limit, 99_997)])
    header = {"HTTP_AUTHORIZATION": "ff_100000"}
    answer = post(app, views(1), **header)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    assert [post(app, views(1), **header).status for _ in range(5)] == [202, 202, 202, 429, 429]


def test_while_redis_is_away_nothing_is_charged_in_advance(make_ingestion: MakeIngestion) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    app = make_ingestion(redis_url=away, site_events_per_second=1000)
    assert post(app, views(1)).status == 202
    assert app.door.limits.by_site["shop"].leased == 0


def test_what_is_remembered_of_limits_is_bounded(
    make_ingestion: MakeIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_KNOWN", 3)
    app = make_ingestion(site_events_per_second=1)
    for number in range(10):
        until_refused(app, 100, f"site-{number}")
        assert len(app.door.limits.by_site) <= 3


def test_it_is_told_in_the_receipt(queue: EventQueue, make_ingestion: MakeIngestion) -> None:
    app = make_ingestion(site_events_per_second=1, address_events_per_second=1)
    app.door.salts.look_ahead(now_ms())
    until_refused(app, 100, REMOTE_ADDR="192.0.2.7")
    post(app, views(7, "blog"), REMOTE_ADDR="192.0.2.7")
    post(app, views(5, "blog"), REMOTE_ADDR="192.0.2.7")
    post(app, views(3), REMOTE_ADDR="192.0.2.8")
    app.door.refused.tell(queue)
    today = now_ms() // DAY_MS * DAY_MS
    told = queue.fetch_refusals([today])[today]
    assert told[Refused("shop", 429, "address_limit")] == 100
    # By then it is known before anything of it is read.
    assert told[Refused("", 429, "address_limit")] == 2
    assert told[Refused("shop", 429, "site_limit")] == 3


def test_the_image_is_shown_all_the_same(make_ingestion: MakeIngestion) -> None:
    app = make_ingestion(site_events_per_second=1)
    until_refused(app, 100)
    path = "/pixel.gif?site_id=shop&event_type=page_view"
    answer = call(app, make_environ(b"", path, REQUEST_METHOD="GET"))
    assert (answer.status, answer.headers["X-Footfall"]) == (200, "site_limit")


def test_while_redis_is_away_nobody_has_a_limit(make_ingestion: MakeIngestion) -> None:
    app = make_ingestion(
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        site_events_per_second=1,
        address_events_per_second=1,
    )
    for _ in range(3):
        assert post(app, views(100), REMOTE_ADDR="192.0.2.7").status == 202
