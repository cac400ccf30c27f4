"""A server whose operator has chosen everything else counts as any other."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, func, inspect, select, text

from reporting.app import create_app
from shared.clock import DAY_MS
from shared.db.database import check_connection, make_engine, translated_errors, writing_engine
from shared.db.mysql_packets import LEAST_PACKET_BYTES
from shared.db.tables import metadata, users
from shared.errors import PoisonEvent, Unavailable
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, rebuild_all, varied_events
from tests.events import NOW, make_event
from tests.merged import merge
from tests.migration import migrate
from tests.segmented import build_all, in_force
from tests.servers import MariaDbServer
from worker.batch.commit import enter_ledger
from worker.upkeep import retention

# What is quoted, escaped or converted somewhere, or taken for equal by some collation.
TEXTS = ["'", '"', "\\", "\\'", '\\"', "%s", "%%", ":a", "`", "--", "a", "A", "a ", "é", "e\u0301"]
TEXTS += ["größe", "密碼", "🙂", "\\n", "x'; DROP TABLE events; --", "\\\\", "''"]


@pytest.fixture
def strange(settings: Settings, strange_url: str) -> Settings:
    return replace(settings, database_url=strange_url)


@pytest.fixture
def engine(strange: Settings) -> Iterator[Engine]:
    engine = writing_engine(strange)
    yield engine
    engine.dispose()


def test_the_server_is_as_strange_as_it_is_meant_to_be(engine: Engine) -> None:
    with engine.connect() as connection:
        mode, charset, packet = connection.execute(
            text("SELECT @@sql_mode, @@character_set_server, @@max_allowed_packet")
        ).one()
    assert {"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT"} <= set(mode.split(","))
    assert (charset, packet) == ("latin1", LEAST_PACKET_BYTES)


def test_texts_are_told_apart_and_come_back(engine: Engine) -> None:
    migrate(engine)
    rows = [{"site_id": "s", "user_id": name, "number": n} for n, name in enumerate(TEXTS)]
    with engine.begin() as connection:
        connection.execute(users.insert(), rows)
        stored = select(users.c.user_id).order_by(users.c.number)
        assert connection.scalars(stored).all() == TEXTS
        for n, name in enumerate(TEXTS):
            found = select(users.c.number).where(users.c.user_id == name)
            assert connection.scalars(found).all() == [n]


@pytest.fixture(params=["created", "migrated"])
def complete(request: pytest.FixtureRequest, engine: Engine) -> Engine:
    """With all tables, in each of the ways in which they come to be."""
    migrate(engine, "head" if request.param == "created" else "heads")
    return engine


def test_every_table_has_a_primary_key(complete: Engine) -> None:
    """MySQL's `sql_require_primary_key` asks for it, also of Alembic's table."""
    found = inspect(complete)
    names = found.get_table_names()
    assert set(names) == {*metadata.tables, "alembic_version"}
    for name in names:
        assert found.get_pk_constraint(name)["constrained_columns"], name


def test_everything_is_counted(strange: Settings, complete: Engine) -> None:
    arrived = varied_events(1, 300)
    odd_ones = [
        make_event(
            n,
            event_id=f"odd-{n}",
            site_id="a",
            timestamp=TODAY,
            event_type="page_view",
            path=f"/{odd}",
            user_id=odd,
            properties={odd: odd},
        )
        for n, odd in enumerate(TEXTS)
    ]
    for batch in ("one", "again"):
        commit(complete, batch, [*arrived, *odd_ones])
    merge(complete)
    assert build_all(strange, complete)
    assert in_force(complete)
    assert differences(strange) == []
    rebuild_all(complete)
    assert differences(strange) == []
    reporting = create_app(strange, lambda: NOW)
    client = reporting.test_client()
    answer = client.get("/stats/breakdown?site_id=a&dimension=path&limit=1000").get_json()
    assert {f"/{odd}" for odd in TEXTS} <= {row["value"] for row in answer["rows"]}
    for odd in TEXTS:
        filtered = {"site_id": "a", "path": f"/{odd}", "event_type": "page_view"}
        assert client.get("/stats", query_string=filtered).get_json()["unique_users"] >= 1, odd
    reporting.close()
    with complete.begin() as connection:
        enter_ledger(connection, "last", NOW + 400 * DAY_MS)
    held = retention.prune(complete, NOW + 400 * DAY_MS, 7, [])
    assert held > 0


def test_a_statement_that_is_too_long_is_refused_for_itself(engine: Engine) -> None:
    """The server hangs up on it, which looked as if it had died."""
    migrate(engine)
    long = "x" * LEAST_PACKET_BYTES
    with (
        pytest.raises(PoisonEvent, match="max_allowed_packet"),
        translated_errors(),
        engine.begin() as connection,
    ):
        connection.execute(select(func.length(long)))
    short = "x" * (LEAST_PACKET_BYTES - 100)
    with engine.begin() as connection:
        assert connection.scalar(select(func.length(short))) == len(short)


def test_a_server_that_takes_too_little_is_refused(
    mariadb: MariaDbServer, mariadb_url: str
) -> None:
    mariadb.execute(f"SET GLOBAL max_allowed_packet = {LEAST_PACKET_BYTES // 2}")
    engine = make_engine(Settings(database_url=mariadb_url))
    try:
        with pytest.raises(Unavailable, match="max_allowed_packet is 524288, and must be"):
            check_connection(engine)
    finally:
        mariadb.execute("SET GLOBAL max_allowed_packet = DEFAULT")
        engine.dispose()
