"""What is set for sites, as whoever posts meets it."""

import time
from typing import Any
from urllib.parse import urlencode

import pytest

from ingestion.app import Ingestion
from shared.clock import now_ms
from shared.queue.event_queue import EventQueue
from shared.queue.refusals import NO_SITE, Refused
from shared.sites.published import PublishedSites
from shared.sites.settings import settings_from
from shared.sites.strangers import Strangers
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import call, make_environ, number, post, queued
from tests.servers import ValkeyServer

SHOP = {
    "aliases": ["7", "G-123"],
    "hosts": ["shop.example", "*.shop.example"],
    "excluded_paths": ["/admin/*"],
    "excluded_addresses": ["203.0.113.0/24"],
    "excluded_users": ["owner"],
    "kept_parameters": ["p", "page_id"],
}
EXCLUDED = {"status": "dropped", "reason": "excluded", "dropped": 1, "accepted": 0}


def publish(queue: EventQueue, **sites: dict[str, Any]) -> None:
    published = PublishedSites(queue)
    settings = {site_id: settings_from(given) for site_id, given in sites.items()}
    assert published.replace(published.fetch_state()[0], "test", settings)


def view(**fields: Any) -> dict[str, Any]:
    return {"site_id": "shop", "event_type": "page_view", "path": "/", **fields}


@pytest.fixture
def app(queue: EventQueue, make_ingestion: MakeIngestion) -> Ingestion:
    publish(queue, shop=SHOP, blog={})
    return make_ingestion()


def test_other_names_are_the_site_s(app: Ingestion, queue: EventQueue) -> None:
    for name in ("shop", "7", "G-123", "8"):
        assert post(app, view(site_id=name)).json == {"status": "accepted"}
    assert [event.site_id for event in queued(queue)] == ["shop", "shop", "shop", "8"]


def test_pages_elsewhere_are_refused_by_what_a_browser_says(
    app: Ingestion, queue: EventQueue
) -> None:
    answer = post(app, view(), HTTP_ORIGIN="https://copy.example")
    assert (answer.status, answer.json["code"], answer.json["field"]) == (
        403,
        "host_not_allowed",
        "site_id",
    )
    assert "copy.example" in answer.json["error"]
    assert post(app, view(hostname="copy.example")).status == 403
    assert post(app, view(path="https://copy.example/x")).status == 403
    assert queued(queue) == []
    assert post(app, view(), HTTP_ORIGIN="https://www.shop.example").status == 202
    assert post(app, view(path="https://shop.example/x")).status == 202
    assert post(app, view(), HTTP_ORIGIN="null").status == 202
    assert post(app, view(site_id="blog"), HTTP_ORIGIN="https://copy.example").status == 202
    assert len(queued(queue)) == 4


def test_what_is_excluded_is_answered_and_counted_and_not_kept(
    app: Ingestion, queue: EventQueue
) -> None:
    name = 'footfall_ingestion_dropped_events_total{reason="excluded"}'
    before = number(app.test_client().get("/metrics").text, name)
    for event, more in (
        (view(path="/admin/users?x=1"), {}),
        (view(user_id="owner"), {}),
        (view(), {"REMOTE_ADDR": "203.0.113.9"}),
    ):
        answer = post(app, event, **more)
        assert (answer.status, answer.json) == (202, EXCLUDED)
    image = call(
        app,
        make_environ(b"", f"/pixel.gif?{urlencode(view(user_id='owner'))}", REQUEST_METHOD="GET"),
    )
    assert (image.status, image.headers["X-Footfall"]) == (200, "excluded")
    assert queued(queue) == []
    assert number(app.test_client().get("/metrics").text, name) == before + 4
    app.door.refused.tell(queue)
    [counts] = queue.fetch_refusals([now_ms() // 86_400_000 * 86_400_000]).values()
    assert counts == {Refused("shop", 202, "excluded"): 4}


def test_each_event_of_a_batch_has_its_own_outcome(app: Ingestion, queue: EventQueue) -> None:
    answer = post(
        app,
        [
            view(user_id="owner"),
            view(user_id="visitor"),
            view(hostname="copy.example"),
            view(site_id="other", user_id="owner"),
            view(path="/admin/x"),
        ],
    )
    assert answer.status == 202
    told = answer.json
    assert (told["status"], told["accepted"], told["dropped"]) == ("accepted", 2, 2)
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [(2, "host_not_allowed")]
    assert [(event.site_id, event.user_id) for event in queued(queue)] == [
        ("shop", "visitor"),
        ("other", "owner"),
    ]
    answer = post(app, [view(user_id="owner"), view(path="/admin/x")])
    assert answer.json == EXCLUDED | {"dropped": 2, "rejected": []}


def test_parameters_that_tell_pages_apart_are_kept(app: Ingestion, queue: EventQueue) -> None:
    pages = {
        "/?p=12": "/?p=12",
        "/?page_id=3&utm_source=x&p=12#top": "/?p=12&page_id=3",
        "https://shop.example/a?p=%C3%A4&p=2": "/a?p=%C3%A4",
        "/a?P=1&xp=2&p=": "/a",
        "/a?p": "/a",
    }
    for page in pages:
        assert post(app, view(path=page)).status == 202
    assert post(app, view(site_id="blog", path="/?p=12")).status == 202
    assert [event.path for event in queued(queue)] == [*pages.values(), "/"]
    assert queued(queue)[1].utm_source == "x"


def test_a_change_is_in_force_at_the_next_look_and_holds_without_redis(
    app: Ingestion, queue: EventQueue, make_ingestion: MakeIngestion, valkey: ValkeyServer
) -> None:
    assert post(app, view(user_id="reader")).status == 202
    publish(queue, shop=SHOP | {"excluded_users": ["reader"]})
    app.door.sites.looked_at = 0.0
    app.door.sites.look()
    assert post(app, view(user_id="reader")).json == EXCLUDED
    valkey.kill()
    again = make_ingestion()
    assert post(again, view(user_id="reader")).json == EXCLUDED
    assert post(again, view(user_id="owner")).status == 202  # kept in the spool


def test_only_registered_sites_where_that_is_wanted(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    app = make_ingestion(registered_sites_only=True)
    answer = post(app, view())
    assert (answer.status, answer.json["code"]) == (503, "sites_unknown")
    assert answer.headers["Retry-After"] == "1"
    publish(queue, shop=SHOP, blog={})
    app.door.sites.looked_at = 0.0
    app.door.sites.look()
    assert post(app, view()).status == 202
    assert post(app, view(site_id="7")).status == 202
    answer = post(app, view(site_id="Shop"))
    assert (answer.status, answer.json["code"], answer.json["field"]) == (
        403,
        "unknown_site",
        "site_id",
    )
    assert "footfall sites create" in answer.json["error"]
    assert [event.site_id for event in queued(queue)] == ["shop", "shop"]


def test_no_more_strangers_than_there_may_be(
    app: Ingestion, queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    Strangers(queue, 0).enter(["old-1", "old-2", "old-3"], now_ms())
    app = make_ingestion(max_sites=4)
    for name in ("old-3", "new", "shop", "blog", "7", "new"):
        assert post(app, view(site_id=name)).status == 202
    answer = post(app, view(site_id="newer"))
    assert (answer.status, answer.json["code"]) == (403, "too_many_sites")
    assert "MAX_SITES (4)" in answer.json["error"]
    sites = ["old-1", "newer", "shop", "newest", "newer", "old-2"]
    answer = post(app, [view(site_id=name) for name in sites] + [{"site_id": "x"}])
    assert answer.status == 202
    assert (answer.json["accepted"], [one["index"] for one in answer.json["rejected"]]) == (
        3,
        [1, 3, 4, 6],
    )
    assert len(queued(queue)) == 9
    answer = post(app, [view(site_id="newer"), view(site_id="newest")])
    assert (answer.status, answer.json["accepted"]) == (400, 0)
    app.door.refused.tell(queue)
    [counts] = queue.fetch_refusals([now_ms() // 86_400_000 * 86_400_000]).values()
    # No receipt of a site that there is not.
    assert counts[Refused(NO_SITE, 403, "too_many_sites")] == 6


def test_while_nobody_counts_strangers_they_are_taken(
    queue: EventQueue, make_ingestion: MakeIngestion, valkey: ValkeyServer
) -> None:
    app = make_ingestion(max_sites=0)
    assert post(app, view(site_id="a")).status == 202  # not counted yet
    Strangers(queue, 0).enter(["a"], now_ms())
    assert post(app, view(site_id="b")).status == 403
    valkey.kill()
    assert post(app, view(site_id="c")).status == 202  # kept in the spool
    assert post(app, view(site_id="a")).status == 202


def test_a_redis_that_does_not_answer_is_waited_for_once_a_second(
    queue: EventQueue, make_ingestion: MakeIngestion, valkey: ValkeyServer
) -> None:
    book = make_ingestion().door.sites
    valkey.pause()  # which `valkey` undoes
    started = time.monotonic()
    for n in range(50):
        assert book.refused({f"new-{n}"}) == ()
    assert time.monotonic() - started < 3  # only the first of a second waits
    assert "new-0" not in book.seen


def test_a_stranger_s_event_that_is_refused_takes_no_other_with_it(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    Strangers(queue, 0).enter(["old"], now_ms())
    app = make_ingestion(max_sites=1)
    long = {f"p{n}": "x" * 1000 for n in range(40)}
    answer = post(
        app, [view(site_id="new", properties=long), view(site_id="old"), view(site_id="new")]
    )
    assert answer.json["accepted"] == 1
    assert [(one["index"], one["code"]) for one in answer.json["rejected"]] == [
        (0, "too_large"),
        (2, "too_many_sites"),
    ]
    assert [event.site_id for event in queued(queue)] == ["old"]


def test_too_many_sites_are_said_to_the_operator(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    Strangers(queue, 0).enter(["old"], now_ms())
    app = make_ingestion(max_sites=1)
    assert "warnings" not in app.test_client().get("/ready").get_json()
    post(app, view(site_id="new"))
    [warning] = app.test_client().get("/ready").get_json()["warnings"]
    assert warning.startswith("MAX_SITES: there are 1 sites")


def test_refusals_are_in_the_receipt_of_the_site_and_of_none_that_there_is_not(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    publish(queue, shop=SHOP)
    app = make_ingestion(registered_sites_only=True)
    post(app, view(site_id="7", hostname="copy.example"))
    post(app, view(site_id="7", user_id=5))
    post(app, view(site_id="made-up"))
    app.door.refused.tell(queue)
    [counts] = queue.fetch_refusals([now_ms() // 86_400_000 * 86_400_000]).values()
    assert counts == {
        Refused("shop", 403, "host_not_allowed"): 1,
        Refused("shop", 400, "bad_type"): 1,
        Refused(NO_SITE, 403, "unknown_site"): 1,
    }


def test_what_is_excluded_is_so_with_a_parameter_that_is_kept_too(
    app: Ingestion, queue: EventQueue
) -> None:
    publish(queue, shop={"excluded_paths": ["/admin"], "kept_parameters": ["p"]})
    app.door.sites.looked_at = 0.0
    app.door.sites.look()
    assert post(app, view(path="/admin?p=1")).json == EXCLUDED
    longest = "/" + "x" * 2047
    assert post(app, view(path=f"{longest}?p=1")).status == 202
    assert [event.path for event in queued(queue)] == [longest]


def test_what_cannot_be_read_changes_nothing(
    app: Ingestion, queue: EventQueue, caplog: pytest.LogCaptureFixture
) -> None:
    app.door.sites.look()
    key = app.door.sites.published.key
    queue.redis.hset(
        key, mapping={"version": "later", "sites": '{"shop":{"hosts":{"of":"later"}}}'}
    )
    for _ in range(2):
        app.door.sites.looked_at = None
        assert post(app, view(user_id="owner")).json == EXCLUDED
    assert caplog.text.count("what is set for sites cannot be read") == 1


def test_where_nobody_has_told_what_is_set_ready_says_so(
    make_ingestion: MakeIngestion, valkey: ValkeyServer
) -> None:
    app = make_ingestion()
    assert post(app, view()).status == 202
    assert app.door.sites.warnings(0) == []
    valkey.kill()
    again = make_ingestion()
    assert post(again, view()).status == 202
    [warning] = again.door.sites.warnings(0)
    assert "what is set for sites" in warning
