"""`footfall verify --sql`: what anyone counts by hand is what the API answers."""

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, insert

from footfall.by_hand import explain
from reporting.app import create_app
from shared.clock import DAY_MS
from shared.db.database import writing_engine
from shared.db.tables import retention
from shared.errors import InvalidInput
from shared.settings import Settings
from tests.counted import TODAY, commit, varied_events
from tests.merged import merge
from tests.migration import migrate

FIRST, LAST = datetime(2025, 11, 14), datetime(2025, 11, 15)  # as click reads days
# What has a meaning in a literal, a comment or an address of some kind.
ODD = ("a", "o'brien", "back\\slash", "100%% of %s", "größe -- /* & ?", "two \n\u2028lines;")


@pytest.fixture
def configured(settings: Settings, database_url: str) -> Settings:
    return dataclasses.replace(settings, database_url=database_url)


@pytest.fixture
def engine(configured: Settings) -> Iterator[Engine]:
    engine = writing_engine(configured)
    migrate(engine)
    yield engine
    engine.dispose()


def run_in_client(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    """As a client sends it: nothing is filled in, and nothing else is taken for a statement."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        connection.close()


def text_of(value: str | bytes) -> str:
    """A server without a collation that is exact keeps bytes."""
    return value if isinstance(value, str) else value.decode()


def test_what_is_counted_by_hand_is_what_the_api_answers(
    engine: Engine, configured: Settings
) -> None:
    for number, site_id in enumerate(ODD):
        made = [replace(e, site_id=site_id) for e in varied_events(number, 150, sites="a")]
        commit(engine, f"merged {number}", made[:80])
        merge(engine)
        other = varied_events(100 + number, 50, sites="b")
        commit(engine, f"waiting {number}", [*made[80:], *other])
    client = create_app(configured).test_client()
    for site_id in ODD:
        asked = {"site_id": site_id, "from": "2025-11-14", "to": "2025-11-15"}
        answer = client.get("/stats", query_string=asked).get_json()
        address, *written = explain(configured, site_id, FIRST, LAST).split("\n\n")
        assert client.get(address.removeprefix("-- ")).get_json() == answer
        found = {}
        for part in written:
            name, _, sql = part.partition("\n")
            found[name.removeprefix("-- ")] = run_in_client(engine, sql.removesuffix(";"))
        assert found.keys() == {"total_views", "unique_users", "top_paths"}
        assert found["total_views"] == [(answer["total_views"],)]
        assert found["unique_users"] == [(answer["unique_users"],)]
        paths = [{"path": text_of(path), "views": views} for path, views in found["top_paths"]]
        assert paths == answer["top_paths"]
        assert answer["total_views"] > 0
        assert len(paths) > 2


def test_it_wants_a_site_and_days(configured: Settings) -> None:
    for asked in ((None, FIRST, LAST), ("a", None, LAST), ("a", FIRST, None)):
        with pytest.raises(InvalidInput, match="--sql needs --site, --from and --to"):
            explain(configured, *asked)
    with pytest.raises(InvalidInput, match="--from is after --to"):
        explain(configured, "a", LAST, FIRST)


def test_days_whose_events_may_be_gone_are_refused(engine: Engine, configured: Settings) -> None:
    with engine.begin() as connection:
        connection.execute(insert(retention).values(id=1, pruned_before=TODAY))
    with pytest.raises(InvalidInput, match="ask from 2025-11-15 on"):
        explain(configured, "a", FIRST, LAST)
    assert f"timestamp < {TODAY + DAY_MS}" in explain(configured, "a", LAST, LAST).replace("`", "")
