"""What is noted of requests while somebody looks, and that nothing is while nobody does."""

import http.client
import json
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ingestion.app import Ingestion
from ingestion.delivery import onlookers
from ingestion.delivery.onlookers import MOST_NOTED, report_of
from shared.clock import SECOND_MS, now_ms
from shared.queue import watching
from shared.queue.event_queue import EventQueue
from shared.queue.watching import MOST_KEPT, DoorReport, Noted, Watched, Watching
from shared.settings import Settings
from tests.conftest import MakeIngestion
from tests.ingestion.sites.test_at_the_door import publish
from tests.ingestion.test_servers import SERVERS, start
from tests.ingestion.visitor.test_countries import COUNTRIES, write
from tests.ingestion.wsgi import ONE, call, make_environ, post
from tests.servers import ServiceProcess, ValkeyServer, wait_until

SHOP = "https://shop.example"


@pytest.fixture
def watching_it(queue: EventQueue) -> Watching:
    """Somebody looks."""
    found = Watching(queue)
    found.ask(now_ms())
    return found


def round_of(app: Ingestion) -> None:
    """One of its keeper's, a moment after the last."""
    app.door.onlookers.looked_at = app.door.onlookers.reported_at = -1e9
    app.door.keeper.work()


def noted_of(app: Ingestion, watching: Watching, **extra: Any) -> Noted:
    """What is noted of a request of one event that is sent while somebody looks."""
    round_of(app)
    post(app, extra.pop("body", ONE), extra.pop("path", "/event"), **extra)
    round_of(app)
    return watching.look(now_ms()).noted[-1]


def test_nothing_is_noted_while_nobody_looks(ingestion: Ingestion, queue: EventQueue) -> None:
    for _ in range(2):
        round_of(ingestion)
        assert post(ingestion, ONE).status == 202
        assert not ingestion.door.onlookers.notes
    assert queue.redis.keys(f"{queue.prefix}:doctor:*") == []


def test_what_became_of_a_request_is_noted(ingestion: Ingestion, watching_it: Watching) -> None:
    before = now_ms()
    noted = noted_of(
        ingestion,
        watching_it,
        path="/events/?users=hashed&secret=7",
        HTTP_HOST="Count.Example:8000",
        HTTP_ORIGIN=SHOP,
        REMOTE_ADDR="203.0.113.77",
    )
    assert before <= noted.at <= now_ms()
    assert (noted.method, noted.path, noted.status, noted.code) == ("POST", "/events", 202, None)
    assert (noted.site_id, noted.events, noted.ahead_ms) == ("site-1", 1, 0)
    assert (noted.host, noted.origin_scheme, noted.origin_host) == (
        "count.example",
        "https",
        "shop.example",
    )
    assert (noted.address_from, noted.address, noted.address_class) == (
        "peer",
        "203.0.113.0/24",
        "public",
    )
    assert (noted.peer, noted.forwarded, noted.is_origin_refused) == ("203.0.113.0/24", (), False)


@pytest.mark.parametrize(
    ("changes", "headers", "shown"),
    [
        ({}, {}, ("peer", "127.0.0.0/24", "loopback")),
        ({}, {"HTTP_X_FORWARDED_FOR": "198.51.100.9"}, ("peer", "127.0.0.0/24", "loopback")),
        (
            {"trusted_proxies": ("127.0.0.0/8",)},
            {"HTTP_X_FORWARDED_FOR": "1.1.1.1, 198.51.100.9"},
            ("X-Forwarded-For", "198.51.100.0/24", "public"),
        ),
        (
            {"trusted_proxies": ("127.0.0.0/8",)},
            {"HTTP_FORWARDED": 'for="[2001:db8:1:2::3]:80"'},
            ("Forwarded", "2001:db8:1::/48", "public"),
        ),
        (
            {"trusted_proxies": ("127.0.0.0/8",)},
            {"HTTP_X_REAL_IP": "fd00:1:2:3::4"},
            ("X-Real-IP", "fd00:1:2::/48", "private"),
        ),
        (
            {"trusted_proxies": ("127.0.0.0/8", "10.0.0.0/8")},
            {"HTTP_X_REAL_IP": "10.1.2.3"},
            ("X-Real-IP", "10.1.2.0/24", "proxy"),
        ),
        (
            {"trusted_proxies": ("10.0.0.0/8",)},
            {"HTTP_X_REAL_IP": "192.168.7.1"},
            ("peer", "127.0.0.0/24", "loopback"),
        ),
        (
            {"address_header": "CF-Connecting-IP"},
            {"HTTP_CF_CONNECTING_IP": "2a00:1450:4001::9"},
            ("CF-Connecting-IP", "2a00:1450:4001::/48", "public"),
        ),
        ({"address_header": "X-Real-IP"}, {}, (None, None, None)),
        ({"address_header": "X-Real-IP"}, {"HTTP_X_REAL_IP": "unknown"}, (None, None, None)),
    ],
)
def test_where_an_address_was_read_and_of_which_class(
    make_ingestion: MakeIngestion,
    watching_it: Watching,
    changes: dict[str, Any],
    headers: dict[str, str],
    shown: tuple[str | None, ...],
) -> None:
    app = make_ingestion(**changes)
    noted = noted_of(app, watching_it, REMOTE_ADDR="127.0.0.1", **headers)
    assert (noted.address_from, noted.address, noted.address_class) == shown
    assert len(noted.forwarded) == len(headers)
    assert app.door.senders.warnings(now_ms()) == []  # to look changes nothing that /ready tells


def test_the_same_address_is_known_again_and_nobody_finds_it_out(
    make_ingestion: MakeIngestion, watching_it: Watching
) -> None:
    apps = [make_ingestion(), make_ingestion()]
    senders = [
        noted_of(app, watching_it, REMOTE_ADDR=address).sender
        for app in apps
        for address in ("203.0.113.7", "203.0.113.8", "203.0.113.7")
    ]
    assert senders[0] == senders[2] != senders[1]
    assert not {*senders[:3]} & {*senders[3:]}


def test_the_country_is_noted(
    make_ingestion: MakeIngestion, watching_it: Watching, tmp_path: Path
) -> None:
    database = write(tmp_path / "countries.mmdb", COUNTRIES)
    app = make_ingestion(country_header="CF-IPCountry", country_database=database)
    looked_up = noted_of(app, watching_it, REMOTE_ADDR="192.0.2.1")
    told = noted_of(app, watching_it, REMOTE_ADDR="192.0.2.1", HTTP_CF_IPCOUNTRY="fr")
    unknown = noted_of(app, watching_it, REMOTE_ADDR="203.0.113.1")
    assert (looked_up.country, told.country, unknown.country) == ("DE", "FR", None)


@pytest.mark.parametrize(
    ("body", "status", "code", "site_id", "events"),
    [
        (b"{", 400, "invalid_json", None, 0),
        ({"site_id": "shop"}, 400, "missing_field", "shop", 0),
        (ONE | {"site_id": "unknown"}, 403, "unknown_site", "unknown", 0),
        (ONE | {"site_id": "shop", "user_id": "owner"}, 202, "excluded", "shop", 0),
        (ONE | {"site_id": "shop", "hostname": "copy.example"}, 403, "host_not_allowed", "shop", 0),
        ([ONE, ONE | {"site_id": "shop"}], 202, "unknown_site", "shop", 1),
        ([ONE], 400, "unknown_site", "site-1", 0),
        (ONE | {"site_id": "shop"}, 202, None, "shop", 1),
    ],
)
def test_verdicts_and_reasons(
    queue: EventQueue,
    make_ingestion: MakeIngestion,
    watching_it: Watching,
    body: Any,
    status: int,
    code: str | None,
    site_id: str | None,
    events: int,
) -> None:
    publish(queue, shop={"hosts": ["shop.example"], "excluded_users": ["owner"]})
    noted = noted_of(make_ingestion(registered_sites_only=True), watching_it, body=body)
    assert (noted.status, noted.code) == (status, code)
    assert (noted.site_id, noted.events) == (site_id, events)


def test_an_image_is_noted_by_what_became_of_it(
    ingestion: Ingestion, watching_it: Watching
) -> None:
    round_of(ingestion)
    for query in (urlencode(ONE), "site_id=a"):
        call(ingestion, make_environ(b"", f"/pixel.gif?{query}", REQUEST_METHOD="GET"))
    round_of(ingestion)
    noted = watching_it.look(now_ms()).noted
    assert [(each.method, each.path) for each in noted] == [("GET", "/pixel.gif")] * 2
    assert [(each.status, each.code) for each in noted] == [(202, None), (400, "missing_field")]


def test_a_page_that_may_not_post_is_noted_when_it_asks(
    make_ingestion: MakeIngestion, watching_it: Watching
) -> None:
    app = make_ingestion(cors_origins=("https://blog.example",))
    round_of(app)
    for origin in (SHOP, "https://blog.example"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert app.test_client().options("/event", headers=headers).status_code == 204
    post(app, ONE, HTTP_ORIGIN=SHOP)
    round_of(app)
    noted = watching_it.look(now_ms()).noted
    assert [(each.method, each.status, each.code) for each in noted] == [
        ("OPTIONS", 204, "cors_origin"),
        ("OPTIONS", 204, None),
        ("POST", 202, None),
    ]
    assert [each.is_origin_refused for each in noted] == [True, False, True]


def test_what_comes_under_another_path_is_noted_where_it_ends_as_ours(
    ingestion: Ingestion, watching_it: Watching
) -> None:
    client = ingestion.test_client()
    for path in ("/hidden/event", "/hidden/tracker.js"):
        assert client.get(path).status_code == 404
    assert not ingestion.door.onlookers.notes
    round_of(ingestion)
    for path in ("/hidden/event?a=hidden", "/hidden/tracker.js", "/favicon.ico", "/hidden"):
        assert client.get(path).status_code == 404
    assert post(ingestion, ONE, "/hidden/events/").status == 404
    round_of(ingestion)
    noted = watching_it.look(now_ms()).noted
    assert [(each.path, each.status, each.code) for each in noted] == [
        ("…/event", 404, "not_found"),
        ("…/tracker.js", 404, "not_found"),
        ("…/events", 404, "not_found"),
    ]


def test_paths_of_an_installation_s_own_are_noted_as_they_are(
    make_ingestion: MakeIngestion, watching_it: Watching
) -> None:
    app = make_ingestion(
        event_path="/api/event", tracker_path="/js/f.js", ingestion_prefix="/below"
    )
    client = app.test_client()
    round_of(app)
    for path in ("/api/event", "//api/event/", "/below/api/event", "/event", "/below/events"):
        assert post(app, ONE, path).status == 202
    headers = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    for path in ("/api/event", "/below/api/event", "/below/event"):
        assert client.options(path, headers=headers).status_code == 204
    for path in ("/hidden/api/event", "/hidden/js/f.js", "/hidden/event", "/hidden/f.js"):
        assert client.get(path).status_code == 404
    round_of(app)
    noted = watching_it.look(now_ms()).noted
    assert [each.path for each in noted if each.method == "POST"] == [
        *["/api/event"] * 3,
        "/event",
        "/events",
    ]
    assert [each.path for each in noted if each.method == "OPTIONS"] == [
        *["/api/event"] * 2,
        "/event",
    ]
    assert [each.path for each in noted if each.method == "GET"] == [
        "…/api/event",
        "…/js/f.js",
        "…/event",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("https", "https"), ("HTTP", "http"), ("https, http", "https"), ("x", None)],
)
def test_what_a_proxy_says_of_the_scheme_is_noted(
    ingestion: Ingestion, watching_it: Watching, value: str, shown: str | None
) -> None:
    noted = noted_of(ingestion, watching_it, HTTP_X_FORWARDED_PROTO=value)
    assert noted.forwarded_proto == shown


def test_a_clock_of_a_client_is_noted(ingestion: Ingestion, watching_it: Watching) -> None:
    body = ONE | {"timestamp": now_ms() - 3_600_000}
    ahead = noted_of(ingestion, watching_it, body=body).ahead_ms
    assert ahead is not None
    assert -3_660_000 < ahead <= -3_600_000


def test_no_secret_is_noted(
    make_ingestion: MakeIngestion, queue: EventQueue, watching_it: Watching
) -> None:
    app = make_ingestion(api_auth="hidden-key", ingest_auth=True)
    for key in ("hidden-key", "hidden-wrong", "ff_hidden"):
        noted_of(
            app,
            watching_it,
            body=ONE | {"user_id": "hidden-user", "path": "/hidden", "title": "hidden"},
            path="/event?users=hashed&token=hidden",
            HTTP_AUTHORIZATION=f"Bearer {key}",
            HTTP_COOKIE="hidden",
            HTTP_REFERER="https://shop.example/?hidden",
            HTTP_ORIGIN=f"{SHOP}/hidden",
            HTTP_HOST="hidden@count.example",
            HTTP_X_FORWARDED_FOR="203.0.113.7",
            HTTP_X_FORWARDED_PROTO="hidden",
            REMOTE_ADDR="198.51.100.7",
        )
    told: Any = queue.redis.lrange(watching_it.noted, 0, -1)
    assert len(told) == 3
    reports: Any = queue.redis.hvals(watching_it.reports)
    for text in (b"hidden", b"203.0.113.7", b"198.51.100.7"):
        assert not any(text in line for line in [*told, *reports])


def test_what_is_noted_is_bounded_and_ends(
    ingestion: Ingestion, queue: EventQueue, watching_it: Watching
) -> None:
    for _ in range(3):
        round_of(ingestion)
        for _ in range(MOST_NOTED + 5):
            post(ingestion, ONE)
        assert len(ingestion.door.onlookers.notes) == MOST_NOTED
    round_of(ingestion)
    assert len(watching_it.look(now_ms()).noted) == MOST_KEPT
    for key in (watching_it.asked, watching_it.noted, watching_it.reports):
        assert 0 < int(queue.redis.pttl(key)) <= watching.KEPT_MS
    assert int(queue.redis.pttl(watching_it.asked)) <= watching.ASKED_MS


def test_once_nobody_looks_nothing_is_noted_any_more(
    ingestion: Ingestion, queue: EventQueue, watching_it: Watching
) -> None:
    noted_of(ingestion, watching_it)
    queue.redis.delete(watching_it.asked)
    post(ingestion, ONE)
    assert ingestion.door.onlookers.notes
    round_of(ingestion)
    assert not ingestion.door.onlookers.notes
    post(ingestion, ONE)
    assert not ingestion.door.onlookers.notes


def test_while_redis_is_away_nothing_is_kept(
    ingestion: Ingestion, watching_it: Watching, valkey: ValkeyServer
) -> None:
    noted_of(ingestion, watching_it)
    post(ingestion, ONE)
    assert ingestion.door.onlookers.notes
    valkey.kill()
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ingestion.door.spool, "own", None)
            round_of(ingestion)
        assert post(ingestion, ONE).status == 202
        assert not ingestion.door.onlookers.notes


def test_an_answer_is_given_whatever_cannot_be_noted(
    ingestion: Ingestion, watching_it: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_of(ingestion)
    monkeypatch.setattr(ingestion.door.noting, "noted", None)
    assert post(ingestion, ONE).status == 202
    assert post(ingestion, b"{").status == 400


def test_a_process_reports_how_it_is_set_up(
    make_ingestion: MakeIngestion, watching_it: Watching
) -> None:
    app = make_ingestion(
        clock=lambda: now_ms() + 90_000, api_auth="key", trusted_proxies=("10.0.0.0/8",)
    )
    round_of(app)
    (report,) = watching_it.look(now_ms()).reports
    assert (report.has_key, report.asks_for_key) == (True, False)
    assert (report.host, report.trusted_proxies) == ("127.0.0.1", ("10.0.0.0/8",))
    assert 89_000 < report.ahead_ms < 91_000
    assert (report.country_problem, report.country_built_at) == (None, None)


def test_a_process_reports_the_age_of_the_country_file_that_it_uses(
    make_ingestion: MakeIngestion, watching_it: Watching, tmp_path: Path
) -> None:
    path = tmp_path / "countries.mmdb"
    app = make_ingestion(country_database=write(path, COUNTRIES))
    built_at = report_of(Settings(country_database=str(path))).country_built_at
    assert built_at is not None

    def told() -> DoorReport:
        round_of(app)
        return watching_it.look(now_ms()).reports[0]

    wait_until(lambda: now_ms() >= built_at + SECOND_MS)  # a file says in which second it was made
    Path(write(tmp_path / "newer.mmdb", COUNTRIES)).rename(path)
    assert told().country_built_at == built_at
    path.unlink()
    assert told().country_built_at == built_at
    assert told().country_problem is not None  # nor would it start again


def test_of_a_process_that_is_gone_nothing_is_told(
    ingestion: Ingestion, watching_it: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_of(ingestion)
    assert len(watching_it.look(now_ms()).reports) == 1
    monkeypatch.setattr(watching, "SILENT_MS", -1_000)
    assert watching_it.look(now_ms()).reports == []


def test_a_report_tells_of_files(tmp_path: Path) -> None:
    path = tmp_path / "countries.mmdb"
    settings = Settings(data_dir=tmp_path, country_database=str(path))
    problem = report_of(settings).country_problem
    assert problem is not None
    assert problem.startswith("COUNTRY_DATABASE: ")
    write(path, COUNTRIES)
    built_at = report_of(settings).country_built_at
    assert built_at is not None
    assert abs(built_at - now_ms()) < 3_600_000
    tmp_path.chmod(0o700)
    assert report_of(settings).data_dir_problem is None
    tmp_path.chmod(0o750)
    assert report_of(settings).data_dir_problem == f"{tmp_path} has the mode 0750"


@pytest.mark.parametrize("server", SERVERS)
def test_each_server_notes_what_it_is_sent(
    server: str, valkey: ValkeyServer, queue: EventQueue
) -> None:
    watching = Watching(queue)

    def seen() -> Watched:
        return watching.look(now_ms())

    def told(method: str = "POST", code: str | None = None) -> list[Noted]:
        return [each for each in seen().noted if (each.method, each.code) == (method, code)]

    with start(server, valkey.url) as service:
        wait_until(lambda: bool(seen().reports))
        (report,) = seen().reports
        assert abs(report.ahead_ms) < 5_000
        wait_until(lambda: send(service, "POST", "/event", json.dumps(ONE)) and bool(told()))
        first = told()[0]
        assert (first.method, first.path, first.status) == ("POST", "/event", 202)
        assert (first.address_from, first.address_class) == ("peer", "loopback")
        assert (first.host, first.site_id, first.door) == ("127.0.0.1", "site-1", report.name)
        for method, path, body, code in (
            ("POST", "/event", "{", "invalid_json"),
            ("GET", "/pixel.gif?site_id=a", "", "missing_field"),
            ("OPTIONS", "/event", "", None),
        ):
            send(service, method, path, body)
            wait_until(partial(told, method, code))


def send(service: ServiceProcess, method: str, path: str, body: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request(method, path, body, {"Origin": SHOP})
        return connection.getresponse().status


def test_whoever_has_no_key_is_noted(make_ingestion: MakeIngestion, watching_it: Watching) -> None:
    app = make_ingestion(api_auth="key", ingest_auth=True)
    noted = noted_of(app, watching_it)
    assert (noted.status, noted.code, noted.site_id) == (401, "unauthorized", None)
    assert noted.door == onlookers.own_name()
