"""Ingestion answers whatever is asked as its OpenAPI document says: as a WSGI application, and on
Granian, where the door answers events itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

from ingestion.app import create_app
from ingestion.openapi import OPENAPI
from shared.settings import Settings
from tests.documented import Json
from tests.ingestion.test_servers import start
from tests.openapi.asked import REFUSED, WRONG_METHOD, Found, ask, locked
from tests.openapi.callers import CALLERS
from tests.openapi.names import SITES
from tests.servers import free_port

NAMES = {"query.site_id": SITES, "body.site_id": SITES}
PIXEL = "GET /pixel.gif"
# Of texts, moments and numbers, of bodies that are called text, and of a field's other names, which
# hold what the field does unless that is there as well.
BEYOND_A_SCHEMA = {
    "bad_type",
    "bad_timestamp",
    "invalid_json",
    "missing_field",
    "no_events",
    "nul_character",
    "number_out_of_range",
    "other_site",
    "too_long",
}


def is_beyond(failure: type[Failure], label: str, body: Json) -> bool:
    if failure is RejectedPositiveData:
        return body["code"] in BEYOND_A_SCHEMA
    # A page is never shown a broken image; and of several events, the bad ones are named.
    return failure is AcceptedNegativeData and (label == PIXEL or bool(body.get("rejected")))


# What each caller is answered who posts.
ANSWERED = {
    "anybody": 202,
    "posting": 202,
    "of one site": 202,
    "reading": 403,
    "wrong": 401,
    "none": 401,
}


def in_process(settings: Settings, **more: Any) -> Found:
    app = create_app(settings)
    try:
        return ask(OPENAPI, app, names=NAMES, excuses=[is_beyond], **more)
    finally:
        app.door.close()


def on_granian(settings: Settings, **more: Any) -> Found:
    given = {"API_AUTH": settings.api_auth, "INGEST_AUTH": str(settings.ingest_auth).lower()}
    with start("granian", settings.redis_url, **given) as service:
        return ask(OPENAPI, url=service.url, names=NAMES, excuses=[is_beyond], **more)


@pytest.mark.parametrize(
    ("asked_of", "name"),
    [(in_process, name) for name in ANSWERED]
    + [(on_granian, name) for name in ("anybody", "of one site", "wrong")],
)
def test_it_answers_as_documented(
    name: str, asked_of: Callable[..., Found], installed: Settings
) -> None:
    caller, status = CALLERS[name], ANSWERED[name]
    found = asked_of(caller.settings(installed), headers=caller.headers, is_refused=status != 202)
    assert not found.faults, found.told()
    assert status in found.statuses["POST /event"]
    assert set(found.statuses[PIXEL]) == {200, WRONG_METHOD}
    for label in locked(OPENAPI) if status == REFUSED else ():
        assert label == PIXEL or set(found.statuses[label]) <= {status, WRONG_METHOD}, label


@pytest.mark.parametrize("name", ["anybody", "reading"])
def test_it_answers_as_documented_while_redis_is_away(
    name: str, installed: Settings, tmp_path: Path
) -> None:
    """Keys but that of the settings are in Redis, unless it has told of them before."""
    caller = CALLERS[name]
    away = replace(
        caller.settings(installed),
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        spool_max_bytes=0,
        data_dir=tmp_path,
    )
    found = in_process(away, headers=caller.headers, expected=["503"])
    assert not found.faults, found.told()
    assert 503 in found.statuses["POST /event"]
