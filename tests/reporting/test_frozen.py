"""A database or Redis that is frozen: what tells how things stand says so soon, and waits behind no
question that does not."""

import dataclasses
import threading
import time
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from reporting.app import Reporting, create_app
from shared.db.database import PROMPT_SECONDS, writing_engine
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import MariaDbServer, ValkeyServer, wait_until

QUESTION = "/stats?site_id=a"
STATUS = ("/ready", "/pipeline/status", "/system")
# What the doctor calls that.
ABSENT = {"database_unavailable": "database_away", "queue_unavailable": "redis_away"}
QUERY_SECONDS = 20
# What is told takes two seconds, on a machine that does nothing else.
FAR_SOONER = QUERY_SECONDS / 2


@pytest.fixture
def app(settings: Settings, mariadb_url: str) -> Iterator[Reporting]:
    """On a MariaDB, with connections that questions have used."""
    its = dataclasses.replace(settings, database_url=mariadb_url, query_seconds=QUERY_SECONDS)
    engine = writing_engine(its)
    migrate(engine)
    engine.dispose()
    app = create_app(its)
    client = app.test_client()
    for path in (QUESTION, *STATUS):
        assert client.get(path).status_code == 200
    yield app
    app.close()


def absence(client: FlaskClient, code: str) -> str:
    """What each tells soon, all of it under this code; the last one's answer."""
    for path in STATUS:
        began_at = time.monotonic()
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (503, code)
        assert time.monotonic() - began_at < FAR_SOONER
    began_at = time.monotonic()
    findings = client.get("/doctor").get_json()["findings"]
    assert ABSENT[code] in {finding["code"] for finding in findings}
    assert time.monotonic() - began_at < FAR_SOONER
    return answer.text


def test_with_the_database_frozen_its_absence_is_told_soon(
    app: Reporting, mariadb: MariaDbServer
) -> None:
    asked = [threading.Thread(target=app.test_client().get, args=(QUESTION,)) for _ in range(5)]
    mariadb.pause()
    for thread in asked:
        thread.start()
    wait_until(lambda: app.seats.waiting == 1)
    client = app.test_client()
    said = absence(client, "database_unavailable")
    assert f"no answer within {PROMPT_SECONDS} s" in said or "timed out" in said
    assert client.get("/health").status_code == 200
    mariadb.resume()
    for thread in asked:
        thread.join(60)
    assert all(client.get(path).status_code == 200 for path in (QUESTION, *STATUS))


def test_with_redis_frozen_its_absence_is_told_soon(app: Reporting, valkey: ValkeyServer) -> None:
    valkey.pause()
    client = app.test_client()
    absence(client, "queue_unavailable")
    assert client.get(QUESTION).status_code == 200
