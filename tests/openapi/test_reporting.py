"""Reporting answers whatever is asked as its OpenAPI document says, with a key and without."""

from dataclasses import replace
from typing import Any

import pytest
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData, UnsupportedMethodResponse

from reporting.app import create_app
from reporting.http.openapi import OPENAPI
from shared.settings import Settings
from tests.documented import Json
from tests.openapi.asked import WRONG_METHOD, Found, ask, locked
from tests.openapi.callers import CALLERS
from tests.openapi.names import PAGES, REGISTERED, SITES, USERS
from tests.reporting.http.test_openapi_examples import NOW
from tests.servers import free_port

NAMES = {
    "query.site_id": SITES,
    "path.user_id": USERS,
    "path.site_id": [*REGISTERED, *SITES],
    "path.key_id": ["ff_spare_0", "ff_spare_1", "ff_spare_2"],
    "query.uniqueId": USERS,
    "query.path": PAGES,
    "query.tz": ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"],
    "path.bucket_key": ["page_view_2025-11-15_18:30", "signup_2025-11-15_18:29"],
}
# What is wrong with a question only as a whole, with a date that no calendar has, or with `2.0`,
# which is a whole number to a schema; with texts that are set for sites, and times that are over.
BEYOND_A_SCHEMA = {
    "bad_bucket_key",
    "bad_date",
    "bad_expiry",
    "bad_field",
    "bad_limit",
    "bad_lookback",
    "bad_minutes",
    "bad_name",
    "bad_range",
    "bad_setting",
    "bad_timezone",
    "missing_field",
    "pruned",
    "too_many_points",
}
# Whoever may not ask, or not now, is not told which methods there are.
NOT_NOW = {"database_unavailable", "keys_unknown"}


def is_beyond(failure: type[Failure], _: str, body: Json) -> bool:
    if failure is UnsupportedMethodResponse:
        return body.get("code") in NOT_NOW
    return failure is RejectedPositiveData and body["code"] in BEYOND_A_SCHEMA


# What each caller is answered about numbers; whose key is refused is answered so everywhere.
ANSWERED = {
    "anybody": 200,
    "reading": 200,
    "of one site": 200,
    "posting": 403,
    "wrong": 401,
    "none": 401,
    "website": 403,
}


def asked_of(settings: Settings, **more: Any) -> Found:
    app = create_app(settings, clock=lambda: NOW)
    try:
        return ask(OPENAPI, app, names=NAMES, excuses=[is_beyond], **more)
    finally:
        app.close()


@pytest.mark.parametrize("name", ANSWERED)
def test_it_answers_as_documented(name: str, to_change: Settings) -> None:
    caller, status = CALLERS[name], ANSWERED[name]
    found = asked_of(caller.settings(to_change), headers=caller.headers, is_refused=status != 200)
    assert not found.faults, found.told()
    assert status in found.statuses["GET /stats"]
    for label in locked(OPENAPI) if status != 200 else ():
        assert set(found.statuses[label]) <= {status, WRONG_METHOD}, label


@pytest.mark.parametrize("name", ["root", "reading"])
def test_it_answers_as_documented_while_all_is_away(name: str, installed: Settings) -> None:
    """Keys but that of the settings are in the database."""
    caller = CALLERS[name]
    away = replace(
        caller.settings(installed),
        database_url=f"mysql://footfall@127.0.0.1:{free_port()}/footfall",
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
    )
    found = asked_of(away, headers=caller.headers, expected=["503"])
    assert not found.faults, found.told()
    assert 503 in found.statuses["GET /stats"]
