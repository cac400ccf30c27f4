"""Who may ask what: each route, with each kind of key."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, update

from reporting.app import create_app
from reporting.dashboard.page import ASSETS_PATH
from reporting.http import book as book_module
from reporting.http.calls import ADMIN
from reporting.http.keys import KeyBook
from reporting.http.openapi import OPENAPI
from reporting.http.routes import ROUTES
from shared.db.database import writing_engine
from shared.db.tables import api_keys
from shared.errors import InvalidInput
from shared.keys.keys import Kind
from shared.queue.event_queue import EventQueue
from shared.queue.used_keys import UsedKeys
from shared.settings import Settings
from shared.sites.stored import change_site, create_site, delete_site
from tests.documented import send
from tests.events import NOW, make_event
from tests.keys import add_row
from tests.merged import merge
from tests.migration import migrate
from tests.reporting.conftest import Store
from tests.servers import free_port

MINE, OTHER = "site-abc-123", "other"
# Each key, and what it is.
KEYS: Mapping[str, Mapping[str, Any]] = {
    "ff_posts": {"kind": Kind.INGEST},
    "ff_posts_mine": {"kind": Kind.INGEST, "sites": [MINE]},
    "ff_reads": {"kind": Kind.READ},
    "ff_reads_mine": {"kind": Kind.READ, "sites": [MINE]},
    "ff_reads_other": {"kind": Kind.READ, "sites": [OTHER]},
    "ff_admin": {"kind": Kind.ADMIN},
    "ff_admin_mine": {"kind": Kind.ADMIN, "sites": [MINE]},
    "ff_over": {"kind": Kind.READ, "expires_at": NOW},
    "ff_until": {"kind": Kind.READ, "expires_at": NOW + 1},
    "ff_revoked": {"kind": Kind.ADMIN, "revoked_at": NOW - 1},
}
OF_NOBODY = ("", "wrong", "ff_wrong", "ff_over", "ff_revoked")
OF_ALL = ("root", "ff_reads", "ff_admin", "ff_until")
OF_ADMINS = ("root", "ff_admin")
OPEN = {"/health", "/ready", "/docs", "/openapi.json", "/", "/settings"}


@pytest.fixture
def asked(reporting_settings: Settings, writing: Engine, store: Store) -> Iterator[FlaskClient]:
    with writing.begin() as connection:
        for text, key in KEYS.items():
            add_row(connection, text, now=NOW, **key)
    store(make_event(1, site_id=MINE), make_event(2, site_id=OTHER))
    app = create_app(dataclasses.replace(reporting_settings, api_auth="root"), clock=lambda: NOW)
    yield app.test_client()
    app.close()


def requests() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each route, as its first example asks it."""
    for path, methods in OPENAPI["paths"].items():
        if path.startswith((ASSETS_PATH, ADMIN)):  # these have tests of their own
            continue
        described = {each["name"]: each for each in methods["get"].get("parameters", [])}
        values = {name: each["example"] for name, each in described.items() if "example" in each}
        request: dict[str, dict[str, Any]] = {"query": {}, "path": {}}
        for name, value in values.items():
            request[described[name]["in"]][name] = value
        yield path, request


REQUESTS = dict(requests())
TELLS_OF = {path: route for routes in ROUTES.values() for route in routes for path in route.paths}


def status_of(client: FlaskClient, path: str, text: str, **more: Any) -> tuple[int, Any]:
    request = {**REQUESTS[path], "headers": {"Authorization": f"Bearer {text}"}}
    request["query"] = {**request["query"], **more}
    answer = send(client.application, "get", path, request)
    return answer.status_code, answer.get_json(silent=True)


@pytest.mark.parametrize("path", REQUESTS)
def test_each_route_is_answered_to_whom_it_should(asked: FlaskClient, path: str) -> None:
    is_open = path in OPEN
    for text in OF_NOBODY:
        status, answer = status_of(asked, path, text)
        assert status == (200 if is_open else 401), text
        assert is_open or answer["code"] == "unauthorized"
    for text in ("ff_posts", "ff_posts_mine"):
        status, answer = status_of(asked, path, text)
        assert status == (200 if is_open else 403), text
        assert is_open or answer["code"] == "wrong_key"
    needs = TELLS_OF[path].needs if path in TELLS_OF else Kind.READ
    for text in OF_ALL:
        status, answer = status_of(asked, path, text)
        if needs is Kind.READ or text in OF_ADMINS:
            assert status in {200, 404}, text
        else:
            assert (status, answer["code"]) == (403, "wrong_key"), text
            assert "this takes admin" in answer["error"]


@pytest.mark.parametrize("path", [path for path in REQUESTS if path not in OPEN])
def test_a_key_of_some_sites_is_answered_of_these(asked: FlaskClient, path: str) -> None:
    route = TELLS_OF.get(path)
    for text in ("ff_reads_mine", "ff_admin_mine"):
        if not takes_site(path):
            status, answer = status_of(asked, path, text)
            if route is not None and route.needs is Kind.ADMIN and text == "ff_reads_mine":
                assert (status, answer["code"]) == (403, "wrong_key")
                continue
            assert (status, answer["code"], answer["field"]) == (403, "other_site", "site_id")
            continue
        assert status_of(asked, path, text, site_id=MINE)[0] in {200, 404}
        status, answer = status_of(asked, path, text, site_id=OTHER)
        assert (status, answer["code"], answer["field"]) == (403, "other_site", "site_id")
        status, _ = status_of(asked, path, text, site_id="")
        assert status == (200 if path == "/sites" else 400 if is_required(path) else 403)


@pytest.mark.parametrize("path", REQUESTS)
def test_numbers_of_a_public_site_need_no_key(
    asked: FlaskClient, writing: Engine, path: str
) -> None:
    """And nothing else, to nobody else: a wrong key is wrong there, too."""
    create_site(writing, MINE, {"public": True}, NOW)
    create_site(writing, OTHER, {"time_zone": "Asia/Kolkata"}, NOW)
    if path in OPEN:
        assert without_key(asked, path) == 200
        return
    is_public = path in PUBLIC
    assert without_key(asked, path, site_id=MINE) == (200 if is_public else 401)
    assert without_key(asked, path, site_id=[MINE, MINE]) == (400 if is_public else 401)
    assert without_key(asked, path, site_id="") == (200 if path == "/sites" else 401)
    for site_id in (OTHER, "none", [MINE, OTHER], [MINE, ""], MINE.upper()):
        is_mine = is_public and site_id == [MINE, ""]
        assert without_key(asked, path, site_id=site_id) == (400 if is_mine else 401), site_id
    for text in filter(None, OF_NOBODY):
        assert status_of(asked, path, text, site_id=MINE)[0] == 401, text
    assert status_of(asked, path, "ff_posts", site_id=MINE)[0] == 403
    if takes_site(path):
        assert status_of(asked, path, "ff_reads_other", site_id=MINE)[0] == 403
        assert status_of(asked, path, "ff_reads", site_id=OTHER)[0] in {200, 404}


# Of a public site; the others tell of users and sessions by their names, or of more than numbers.
PUBLIC = {
    "/stats",
    "/stats/aggregated",
    "/stats/timeseries",
    "/stats/breakdown",
    "/sites",
    "/realtime",
    "/metrics/page-views",
    "/analytics",
    "/analytics/page_views_per_minute",
    "/analytics/minute-buckets/{bucket_key}",
}


def without_key(client: FlaskClient, path: str, **more: Any) -> int:
    request = {**REQUESTS[path], "query": {**REQUESTS[path]["query"], **more}}
    return send(client.application, "get", path, request).status_code


def takes_site(path: str) -> bool:
    route = TELLS_OF.get(path)
    return route is not None and any(each.name == "site_id" for each in route.parameters)


def test_without_a_key_the_public_sites_are_listed_and_no_user_is_told_apart(
    asked: FlaskClient, writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "KNOWN_SECONDS", 0.0)
    assert asked.get("/sites").status_code == 401
    create_site(writing, MINE, {"public": True, "name": "Ours"}, NOW)
    create_site(writing, OTHER, {"name": "Theirs"}, NOW)
    create_site(writing, "without-events", {"public": True}, NOW)
    told = asked.get("/sites").get_json()["sites"]
    assert [(site["site_id"], site["name"], site["public"]) for site in told] == [
        (MINE, "Ours", True)
    ]
    of_mine = f"/analytics?site_id={MINE}"
    assert asked.get(of_mine).status_code == 200
    assert asked.get(of_mine, headers={"Authorization": " "}).status_code == 200
    assert asked.get(f"{of_mine}&uniqueId=user").status_code == 401
    assert asked.head(of_mine).status_code == 200
    for path in ("/nowhere", "/metrics", "/docs/x", "/stats/receipt"):
        assert asked.get(path, query_string={"site_id": MINE}).status_code == 401
    assert asked.post("/stats", query_string={"site_id": MINE}).status_code == 405


def test_a_site_that_is_public_no_more_is_not_within_seconds(
    asked: FlaskClient, writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "KNOWN_SECONDS", 0.0)
    create_site(writing, MINE, {"public": True}, NOW)
    assert without_key(asked, "/stats", site_id=MINE) == 200
    change_site(writing, MINE, {"public": False}, NOW)
    assert without_key(asked, "/stats", site_id=MINE) == 401
    change_site(writing, MINE, {"public": True}, NOW)
    assert without_key(asked, "/stats", site_id=MINE) == 200
    delete_site(writing, MINE)
    assert without_key(asked, "/stats", site_id=MINE) == 401


def is_required(path: str) -> bool:
    return any(each.name == "site_id" and each.is_required for each in TELLS_OF[path].parameters)


def test_no_other_method_lets_anybody_in(asked: FlaskClient) -> None:
    for text in ("", "ff_reads", "ff_admin", "root"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for path in ("/stats", "/sites", "/pipeline/status"):
                headers = {"Authorization": text}
                assert asked.open(path, method=method, headers=headers).status_code == 405


@pytest.mark.parametrize("is_merged", [False, True])
def test_sites_are_those_of_the_key(asked: FlaskClient, writing: Engine, is_merged: bool) -> None:
    if is_merged:
        merge(writing)
    shown = {}
    for text in ("ff_reads", "ff_reads_mine", "ff_reads_other"):
        answer = status_of(asked, "/sites", text, site_id="")[1]
        shown[text] = [site["site_id"] for site in answer["sites"]]
    assert shown == {
        "ff_reads": [OTHER, MINE],
        "ff_reads_mine": [MINE],
        "ff_reads_other": [OTHER],
    }


def test_one_that_is_revoked_lets_nobody_in_within_seconds(
    asked: FlaskClient, writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "KNOWN_SECONDS", 0.2)
    assert status_of(asked, "/stats", "ff_reads")[0] == 200
    with writing.begin() as connection:
        connection.execute(update(api_keys).values(revoked_at=NOW, changed_at=NOW))
    deadline = time.monotonic() + 60
    while status_of(asked, "/stats", "ff_reads")[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert status_of(asked, "/stats", "ff_reads")[0] == 401
    assert status_of(asked, "/stats", "root")[0] == 200


def test_after_a_rest_nobody_goes_by_what_was_known_before(
    writing: Engine, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask at once: all wait for the one who asks the database."""
    with writing.begin() as connection:
        add_row(connection, "ff_reads", Kind.READ, now=NOW)
    book = KeyBook([writing], queue, "root")
    assert book.caller("ff_reads", NOW).kind is Kind.READ
    with writing.begin() as connection:
        connection.execute(update(api_keys).values(revoked_at=NOW, changed_at=NOW))
    book.asked_at -= book_module.OLD_SECONDS
    read = book.read

    def read_slowly() -> None:
        time.sleep(0.2)
        read()

    monkeypatch.setattr(book, "read", read_slowly)

    def is_let_in(_: int) -> bool:
        try:
            book.caller("ff_reads", NOW)
        except InvalidInput:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert not any(threads.map(is_let_in, range(8)))


def test_keys_are_read_where_they_are_written_before_what_lags_behind(
    writing: Engine, queue: EventQueue, tmp_path: Path
) -> None:
    with writing.begin() as connection:
        add_row(connection, "ff_reads", Kind.READ, now=NOW)
    behind = writing_engine(Settings(database_url=f"sqlite:///{tmp_path}/behind.db"))
    migrate(behind)
    for engines, is_known in (
        ([writing, behind], True),
        ([behind, writing], False),
        ([writing_engine(Settings(database_url=f"sqlite:///{tmp_path}/none.db")), writing], True),
    ):
        book = KeyBook(engines, queue, "root")
        book.look()
        assert (book.callers.find("ff_reads", NOW) is not None) == is_known
    behind.dispose()


def test_a_receipt_tells_whoever_has_a_key_of_a_site_of_no_other(asked: FlaskClient) -> None:
    told = {
        text: status_of(asked, "/stats/receipt", text, site_id=MINE, date="2025-11-15")[1]
        for text in ("ff_reads", "ff_reads_mine")
    }
    assert told["ff_reads_mine"]["total"] == told["ff_reads"]["total"]
    for part in ("without_site", "before"):
        assert told["ff_reads_mine"][part]["received"] == 0


def test_what_was_known_holds_while_nobody_can_be_asked(
    asked: FlaskClient, writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(book_module, "OLD_SECONDS", 0.0)
    assert status_of(asked, "/health", "ff_reads")[0] == 200
    assert status_of(asked, "/system", "ff_reads")[0] == 200
    with writing.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO elsewhere")
    assert status_of(asked, "/stats", "ff_reads")[0] == 200
    assert status_of(asked, "/stats", "ff_wrong")[0] == 401


def test_nobody_knows_a_key_before_the_database_has_told(reporting_settings: Settings) -> None:
    away = f"mysql://footfall@127.0.0.1:{free_port()}/footfall"
    settings = dataclasses.replace(reporting_settings, api_auth="root", database_url=away)
    app = create_app(settings, clock=lambda: NOW)
    answer = app.test_client().get("/stats?site_id=a", headers={"Authorization": "ff_reads"})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "keys_unknown")
    assert answer.headers["Retry-After"]
    for text in ("", "wrong"):
        answer = app.test_client().get("/stats?site_id=a", headers={"Authorization": text})
        assert answer.status_code == 401
    app.close()


def test_it_is_told_when_a_key_was_used(asked: FlaskClient, queue: EventQueue) -> None:
    for text in ("root", "ff_wrong", "ff_posts", "ff_reads"):
        status_of(asked, "/stats", text)
    assert UsedKeys(queue).fetch() == {"ff_reads": NOW}


def test_where_no_key_is_asked_for_none_is_looked_at(
    reporting_settings: Settings, writing: Engine
) -> None:
    with writing.begin() as connection:
        add_row(connection, "ff_reads_other", Kind.READ, [OTHER], now=NOW)
    app = create_app(reporting_settings, clock=lambda: NOW)
    for text in ("ff_reads_other", "wrong"):
        headers = {"Authorization": text}
        assert app.test_client().get(f"/stats?site_id={MINE}", headers=headers).status_code == 200
    app.close()
