"""Changing what is set, over HTTP: who may, what is changed, and who is told."""

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

import reporting
from reporting.app import create_app
from reporting.http.calls import CALLS
from shared.keys.keys import Kind, digest_of
from shared.keys.stored import fetch_good_keys, fetch_keys
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.sites.published import PublishedSites
from shared.sites.settings import SiteSettings
from shared.sites.stored import create_site, fetch_sites
from tests.events import NOW, make_event
from tests.keys import add_row
from tests.reporting.conftest import Store
from tests.servers import free_port

KEYS: dict[str, dict[str, Any]] = {
    "ff_posts": {"kind": Kind.INGEST},
    "ff_posts_shop": {"kind": Kind.INGEST, "sites": ["shop"]},
    "ff_reads": {"kind": Kind.READ},
    "ff_reads_shop": {"kind": Kind.READ, "sites": ["shop"]},
    "ff_admin": {"kind": Kind.ADMIN},
    "ff_admin_shop": {"kind": Kind.ADMIN, "sites": ["shop"]},
    "ff_admin_blog": {"kind": Kind.ADMIN, "sites": ["blog"]},
    "ff_over": {"kind": Kind.ADMIN, "expires_at": NOW},
    "ff_revoked": {"kind": Kind.ADMIN, "revoked_at": NOW - 1},
}
OF_NOBODY = ("", "wrong", "ff_wrong", "ff_over", "ff_revoked")
WRONG_KINDS = ("ff_posts", "ff_posts_shop", "ff_reads", "ff_reads_shop")
# What each call is asked with, for the site `shop`, and a key that there is.
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/admin/sites"): {"site_id": "shop"},
    ("patch", "/admin/sites/{site_id}"): {"name": "The shop"},
    ("post", "/admin/keys"): {"kind": "read"},
    ("post", "/admin/keys/{key_id}/rotate"): {},
}
GOOD = {200, 201}


@pytest.fixture
def keyed(reporting_settings: Settings, writing: Engine) -> Iterator[FlaskClient]:
    """Reporting with keys, and no site."""
    with writing.begin() as connection:
        for text, key in KEYS.items():
            add_row(connection, text, now=NOW, **key)
    app = create_app(dataclasses.replace(reporting_settings, api_auth="root"), clock=lambda: NOW)
    yield app.test_client()
    app.close()


@pytest.fixture
def here(reporting_settings: Settings, writing: Engine) -> Iterator[FlaskClient]:
    """Reporting without any key, as it is on somebody's own machine."""
    del writing  # it has made the tables
    app = create_app(reporting_settings, clock=lambda: NOW)
    yield app.test_client()
    app.close()


def ask(client: FlaskClient, call: tuple[str, str], text: str = "root", **more: Any) -> Any:
    method, path = call
    path = path.format(site_id=more.pop("site_id", "shop"), key_id=more.pop("key_id", "ff_reads"))
    body = more.pop("body", BODIES.get(call))
    headers = {"Authorization": f"Bearer {text}"} if text else {}
    return client.open(
        path, method=method.upper(), headers=headers | more.pop("headers", {}), json=body, **more
    )


EVERY = [(call.method, call.path) for call in CALLS]
each_call = pytest.mark.parametrize("call", EVERY, ids=" ".join)


@each_call
def test_each_call_is_for_admins(
    keyed: FlaskClient, writing: Engine, call: tuple[str, str]
) -> None:
    if call != ("post", "/admin/sites"):
        create_site(writing, "shop", {}, NOW)
    before = stored(writing)
    for text in OF_NOBODY:
        answer = ask(keyed, call, text)
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized"), text
    for text in WRONG_KINDS:
        answer = ask(keyed, call, text)
        assert (answer.status_code, answer.json["code"]) == (403, "wrong_key"), text
    assert stored(writing) == before
    assert ask(keyed, call, "ff_admin").status_code in GOOD


@each_call
def test_with_a_key_of_some_sites_an_admin_has_these(
    keyed: FlaskClient, writing: Engine, call: tuple[str, str]
) -> None:
    if call != ("post", "/admin/sites"):
        create_site(writing, "shop", {}, NOW)
    before = stored(writing)
    answer = ask(keyed, call, "ff_admin_blog")
    if call[0] == "get" and call[1] in {"/admin/sites", "/admin/erasures"}:
        assert answer.json in ({"sites": []}, {"erasures": []})
    else:
        assert (answer.status_code, answer.json["code"]) == (403, "other_site")
    assert stored(writing) == before
    answer = ask(keyed, call, "ff_admin_shop")
    if "keys" in call[1]:
        assert (answer.status_code, answer.json["code"]) == (403, "other_site")
    else:
        assert answer.status_code in GOOD


def stored(engine: Engine) -> Any:
    with engine.begin() as connection:
        return fetch_keys(connection), fetch_sites(connection)


@pytest.mark.parametrize("name", ["aliases", "events_per_second", "raw_data_age"])
def test_what_concerns_other_sites_takes_a_key_for_all(
    keyed: FlaskClient, writing: Engine, name: str
) -> None:
    create_site(writing, "shop", {}, NOW)
    value = {"aliases": ["blog"], "events_per_second": 0, "raw_data_age": 0}[name]
    patch = ("patch", "/admin/sites/{site_id}")
    answer = ask(keyed, patch, "ff_admin_shop", body={name: value})
    assert (answer.status_code, answer.json["field"]) == (403, name)
    assert ask(keyed, patch, "ff_admin", body={name: value}).status_code == 200


@pytest.mark.parametrize(
    "limit", [{"aliases": ["1"]}, {"events_per_second": 5}, {"raw_data_age": 0}]
)
def test_what_concerns_other_sites_is_not_deleted_with_one(
    keyed: FlaskClient, writing: Engine, limit: dict[str, Any]
) -> None:
    create_site(writing, "shop", limit, NOW)
    delete = ("delete", "/admin/sites/{site_id}")
    for with_events in ("false", "true"):
        query = {"with_events": with_events}
        answer = ask(keyed, delete, "ff_admin_shop", query_string=query)
        assert (answer.status_code, answer.json["field"]) == (403, next(iter(limit)))
    assert ask(keyed, delete, "ff_admin").status_code == 200


def test_a_moment_that_cannot_be_written_is_refused(here: FlaskClient) -> None:
    late = "9999-12-31T23:59:59-01:00"
    body = {"kind": "read", "expires_at": late}
    answer = ask(here, ("post", "/admin/keys"), "", body=body)
    assert (answer.status_code, answer.json["field"]) == (400, "expires_at")
    made = ask(here, ("post", "/admin/keys"), "", body={"kind": "read"}).json
    rotate = ("post", "/admin/keys/{key_id}/rotate")
    key_id = made["about"]["key_id"]
    answer = ask(here, rotate, "", key_id=key_id, body={"until": late})
    assert (answer.status_code, answer.json["field"]) == (400, "until")
    assert len(ask(here, ("get", "/admin/keys"), "").json["keys"]) == 1


def test_the_field_to_blame_is_one_that_was_given(here: FlaskClient) -> None:
    ask(here, ("post", "/admin/sites"), "", body={"site_id": "news", "aliases": ["paper"]})
    taken = ask(here, ("post", "/admin/sites"), "", body={"site_id": "paper"})
    assert (taken.json["code"], taken.json["field"]) == ("name_taken", "site_id")
    other = ask(here, ("post", "/admin/keys"), "", body={"kind": "read", "sites": ["paper"]})
    assert (other.json["code"], other.json["field"]) == ("other_name", "sites")


def test_a_site_is_made_changed_shown_and_left(
    here: FlaskClient, writing: Engine, queue: EventQueue
) -> None:
    made = ask(here, ("post", "/admin/sites"), "", body={"site_id": "shop", "aliases": ["1"]})
    assert made.status_code == 201
    assert made.json["warnings"] == []
    assert made.json["site"]["aliases"] == ["1"]
    assert published(queue) == {"shop": SiteSettings(aliases=("1",))}
    again = ask(here, ("post", "/admin/sites"), "", body={"site_id": "shop"})
    assert (again.status_code, again.json["code"]) == (409, "known_site")
    changed = ask(here, ("patch", "/admin/sites/{site_id}"), "", body={"name": "S", "revision": 1})
    assert (changed.json["site"]["name"], changed.json["site"]["revision"]) == ("S", 2)
    assert changed.json["site"]["aliases"] == ["1"]
    shown = ask(here, ("get", "/admin/sites/{site_id}"), "")
    assert shown.json == changed.json["site"]
    assert ask(here, ("get", "/admin/sites"), "").json == {"sites": [shown.json]}
    left = ask(here, ("delete", "/admin/sites/{site_id}"), "")
    assert left.json == {"site_id": "shop", "is_being_erased": False, "warnings": []}
    assert published(queue) == {}
    assert ask(here, ("get", "/admin/sites/{site_id}"), "").status_code == 404


def published(queue: EventQueue) -> Any:
    found = PublishedSites(queue).fetch()
    assert found is not None
    return found.sites


def test_of_two_who_saw_the_same_one_changes_it(here: FlaskClient, writing: Engine) -> None:
    create_site(writing, "shop", {}, NOW)
    patch = ("patch", "/admin/sites/{site_id}")
    statuses: list[int] = []

    def change(number: int) -> None:
        client = here.application.test_client()
        body = {"name": f"The shop {number}", "revision": 1}
        statuses.append(ask(client, patch, "", body=body).status_code)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409]


def test_a_site_is_deleted_with_its_events(
    here: FlaskClient, store: Store, queue: EventQueue
) -> None:
    store(make_event(1, site_id="shop"))
    delete = ("delete", "/admin/sites/{site_id}")
    answer = ask(here, delete, "", query_string={"with_events": "true"})
    assert answer.json == {"site_id": "shop", "is_being_erased": True, "warnings": []}
    [erasure] = ask(here, ("get", "/admin/erasures"), "").json["erasures"]
    assert (erasure["site_id"], erasure["done_at"]) == ("shop", None)
    unknown = ask(here, delete, "", site_id="nobody", query_string={"with_events": "true"})
    assert (unknown.status_code, unknown.json["code"]) == (404, "unknown_site")
    bad = ask(here, delete, "", query_string={"with_events": "yes"})
    assert (bad.status_code, bad.json["field"]) == (400, "with_events")


def test_sites_are_listed_in_portions(here: FlaskClient, writing: Engine) -> None:
    for number in range(5):
        create_site(writing, f"site-{number}", {}, NOW)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        answer = ask(here, ("get", "/admin/sites"), "", query_string={"limit": "2", **cursor}).json
        seen += [site["site_id"] for site in answer["sites"]]
        cursor = {"cursor": answer.get("next_cursor", "")}
    assert seen == [f"site-{number}" for number in range(5)]
    assert cursor == {"cursor": ""}


def test_a_key_is_told_once_and_works_until_it_is_revoked(
    keyed: FlaskClient, writing: Engine, queue: EventQueue
) -> None:
    made = ask(keyed, ("post", "/admin/keys"), body={"kind": "admin", "name": "deploys"})
    assert made.status_code == 201
    text, key_id = made.json["key"], made.json["about"]["key_id"]
    assert ask(keyed, ("get", "/admin/sites"), text).status_code == 200
    assert text.split("_")[2] not in ask(keyed, ("get", "/admin/keys")).text
    assert digest_of(text) in PublishedSites(queue).fetch().keys  # type: ignore[union-attr, operator]
    rotated = ask(keyed, ("post", "/admin/keys/{key_id}/rotate"), key_id=key_id).json
    assert ask(keyed, ("get", "/admin/sites"), text).status_code == 200
    assert ask(keyed, ("get", "/admin/sites"), rotated["key"]).status_code == 200
    again = ask(keyed, ("post", "/admin/keys/{key_id}/rotate"), key_id=key_id)
    assert (again.status_code, again.json["code"]) == (409, "rotated_key")
    for one in (key_id, rotated["about"]["key_id"]):
        assert ask(keyed, ("delete", "/admin/keys/{key_id}"), key_id=one).status_code == 200
    # At once, where it was revoked: no later look finds what it was.
    for one in (text, rotated["key"]):
        assert ask(keyed, ("get", "/admin/sites"), one).status_code == 401
    with writing.begin() as connection:
        assert digest_of(text) not in fetch_good_keys(connection)


def test_a_key_that_nobody_asks_for_is_said_to_be_so(here: FlaskClient) -> None:
    for kind, service in (("read", "reporting"), ("ingest", "ingestion")):
        made = ask(here, ("post", "/admin/keys"), "", body={"kind": kind})
        [sentence] = made.json["warnings"]
        assert sentence.startswith(f"{service} asks nobody for a key")


REFUSED: list[tuple[tuple[str, str], Any, str, str | None]] = [
    (("post", "/admin/sites"), {}, "missing_field", "site_id"),
    (("post", "/admin/sites"), {"site_id": 7}, "bad_setting", "site_id"),
    (("post", "/admin/sites"), {"site_id": ""}, "bad_setting", "site_id"),
    (("post", "/admin/sites"), {"site_id": "x" * 256}, "bad_setting", "site_id"),
    (("post", "/admin/sites"), {"site_id": "x", "hosts": "a"}, "bad_setting", "hosts"),
    (("post", "/admin/sites"), {"site_id": "x", "colour": 1}, "unknown_setting", "colour"),
    (("post", "/admin/sites"), [], "bad_body", None),
    (("post", "/admin/sites"), "text", "bad_body", None),
    (("patch", "/admin/sites/{site_id}"), {"revision": True}, "bad_field", "revision"),
    (("post", "/admin/keys"), {"name": "x"}, "missing_field", "kind"),
    (("post", "/admin/keys"), {"kind": "write"}, "bad_field", "kind"),
    (("post", "/admin/keys"), {"kind": "read", "sites": [""]}, "bad_field", "sites"),
    (("post", "/admin/keys"), {"kind": "read", "expires_at": "soon"}, "bad_field", "expires_at"),
    (
        ("post", "/admin/keys"),
        {"kind": "read", "expires_at": "2999-01-01T00:00:00"},
        "bad_field",
        "expires_at",
    ),
    (("post", "/admin/keys"), {"kind": "read", "events_per_day": 0}, "bad_field", "events_per_day"),
    (("post", "/admin/keys"), {"kind": "read", "x": 0}, "unknown_field", "x"),
    (("post", "/admin/keys"), {"kind": "read", "name": "\x07"}, "bad_name", "name"),
]


@pytest.mark.parametrize(("call", "body", "code", "field"), REFUSED)
def test_a_bad_body_is_refused_with_the_field_to_blame(
    here: FlaskClient, writing: Engine, call: tuple[str, str], body: Any, code: str, field: str
) -> None:
    answer = ask(here, call, "", body=body)
    assert (answer.status_code, answer.json["code"], answer.json.get("field")) == (400, code, field)
    assert stored(writing) == ([], [])


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "missing_field"), (b"\xff", "invalid_json"), (b'{"x":' + b"[" * 9_999, "invalid_json")],
)
def test_what_is_no_json_is_refused(here: FlaskClient, data: bytes, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer: Any = here.post("/admin/sites", data=data, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (400, code)


STRANGERS: dict[str, tuple[dict[str, str], str]] = {
    "another website's page": ({"Origin": "https://evil.example"}, "other_origin"),
    "a page of no origin": ({"Origin": "null"}, "other_origin"),
    "of another port": ({"Origin": "http://localhost:3000"}, "other_origin"),
    "as browsers say it": ({"Sec-Fetch-Site": "cross-site"}, "other_origin"),
    "of another machine there": ({"Sec-Fetch-Site": "same-site"}, "other_origin"),
    "passed on by a proxy that hides it": ({}, "key_needed"),
    "passed on": ({"X-Forwarded-For": "203.0.113.9"}, "key_needed"),
    "below a path": ({"X-Forwarded-Prefix": "/stats"}, "key_needed"),
    "passed on by others": ({"Forwarded": "for=203.0.113.9"}, "key_needed"),
    "by a name that leads here": ({"Host": "evil.example"}, "unknown_host"),
}


@pytest.mark.parametrize("who", STRANGERS)
def test_without_keys_nobody_else_changes_anything(
    here: FlaskClient, writing: Engine, who: str
) -> None:
    headers, code = STRANGERS[who]
    environ = {} if headers else {"SERVER_PROTOCOL": "HTTP/1.0"}
    for call in EVERY:
        answer = ask(here, call, "", headers=headers, environ_overrides=environ)
        if code == "other_origin" and call[0] == "get":
            continue  # a browser shows it to no page of another origin
        assert (answer.status_code, answer.json["code"]) == (403, code), call
    assert stored(writing) == ([], [])


def test_without_keys_only_this_machine_changes_anything(
    here: FlaskClient, reporting_settings: Settings, writing: Engine
) -> None:
    open_to_all = create_app(dataclasses.replace(reporting_settings, allow_open=True))
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    for call in EVERY:
        for client, more in ((here, elsewhere), (open_to_all.test_client(), {})):
            answer = ask(client, call, "", environ_overrides=more)
            assert (answer.status_code, answer.json["code"]) == (403, "key_needed"), call
    assert stored(writing) == ([], [])
    open_to_all.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {},
    ],
)
def test_its_own_page_changes_it(here: FlaskClient, headers: dict[str, str]) -> None:
    answer = ask(here, ("post", "/admin/sites"), "", headers=headers)
    assert answer.status_code == 201


def test_redis_away_is_said_and_nothing_is_lost(
    reporting_settings: Settings, writing: Engine
) -> None:
    away = dataclasses.replace(reporting_settings, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    app = create_app(away, clock=lambda: NOW)
    answer = ask(app.test_client(), ("post", "/admin/sites"), "")
    app.close()
    assert answer.status_code == 201
    [sentence] = answer.json["warnings"]
    assert sentence.startswith("Redis is away")
    assert [site.site_id for site in site_rows_of(writing)] == ["shop"]


def site_rows_of(engine: Engine) -> Any:
    with engine.begin() as connection:
        return fetch_sites(connection)


def test_other_methods_and_paths_are_no_calls(here: FlaskClient) -> None:
    assert here.put("/admin/sites", json={}).status_code == 405
    assert here.post("/admin/nothing", json={}).status_code == 404
    assert here.post("/admin", json={}).status_code == 405
    # Slashes too many change nothing, and let nobody past.
    assert here.post("/admin//sites/", json={"site_id": "shop"}).status_code == 201


def test_slashes_too_many_let_nobody_in(keyed: FlaskClient) -> None:
    for path in ("/admin//sites", "/admin/sites/", "/./admin/sites"):
        for text in ("", "ff_reads"):
            answer = keyed.open(path, headers={"Authorization": text}, method="POST", json={})
            assert answer.status_code in {401, 403, 405}, path


def test_nothing_else_of_reporting_can_write() -> None:
    root = Path(reporting.__file__).parent
    makers = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*.py"))
        if "writing_engine" in path.read_text(encoding="utf-8")
    ]
    assert makers == ["admin/desk.py"]


def test_questions_have_connections_that_cannot_write(
    here: FlaskClient, reporting_settings: Settings
) -> None:
    app: Any = here.application
    ask(here, ("post", "/admin/sites"), "")
    engines = [app.sources.engine, app.sources.ledger]
    assert app.desk.engine not in engines
    for engine in engines:
        with pytest.raises(Exception, match=r"(?i)read.?only"):  # noqa: SIM117
            with engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM site_settings")
    assert [site.site_id for site in site_rows_of(app.desk.engine)] == ["shop"]
