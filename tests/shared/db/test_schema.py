"""A database that lacks something is told from one that is away, and what it lacks is named."""

import dataclasses
import ssl
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from footfall.migrate import migrate as make_migrate
from shared.db.database import Refused, meaning_of, translated_errors, writing_engine
from shared.db.schema import check_schema, require_connection, require_schema
from shared.errors import BadSetting, Unavailable
from shared.settings import Settings
from tests.counted import commit, varied_events
from tests.servers import free_port

DROP_COLUMN = "ALTER TABLE segments DROP COLUMN known_columns"


def change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_what_a_newer_version_added_is_no_fault(
    engine: Engine, database_settings: Settings
) -> None:
    change(engine, "CREATE TABLE newer (id INTEGER)", "ALTER TABLE sites ADD COLUMN newer INTEGER")
    check_schema(engine)
    require_schema(database_settings)


@pytest.mark.parametrize(
    ("statements", "lack"),
    [
        (["DROP TABLE events_by_week"], "lacks the table events_by_week"),
        (
            ["DROP TABLE events_by_week", "DROP TABLE users_by_week"],
            "lacks the tables events_by_week, users_by_week",
        ),
        ([DROP_COLUMN], "lacks the column segments.known_columns"),
        (
            ["DROP TABLE users", DROP_COLUMN, "ALTER TABLE sites DROP COLUMN rebuilds"],
            "lacks the table users and the columns sites.rebuilds, segments.known_columns",
        ),
    ],
)
def test_what_is_missing_is_named(
    engine: Engine, database_settings: Settings, statements: list[str], lack: str
) -> None:
    change(engine, *statements)
    told = f"the database {lack}; run `make migrate`"
    with pytest.raises(Unavailable) as caught:
        check_schema(engine)
    assert (caught.value.code, caught.value.message) == ("not_migrated", told)
    with pytest.raises(BadSetting) as refused:
        require_schema(database_settings)
    assert str(refused.value) == f"DATABASE_URL: {told}"


def test_an_empty_database_has_no_tables(settings: Settings, database_url: str) -> None:
    empty = dataclasses.replace(settings, database_url=database_url)
    with pytest.raises(BadSetting, match="no tables yet; run `make migrate`"):
        require_schema(empty)


def test_a_file_that_cannot_be_there_is_not_waited_for(settings: Settings, tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none/f.db", f"sqlite:///{tmp_path}/text"):
        (tmp_path / "text").write_text("no database at all" * 100, encoding="utf-8")
        with pytest.raises(BadSetting, match="DATABASE_URL: cannot use sqlite:///"):
            require_connection(dataclasses.replace(settings, database_url=url))


@pytest.mark.parametrize(
    ("error", "refuses"),
    [
        (pymysql.err.OperationalError(1045, "Access denied"), True),
        (pymysql.err.OperationalError(1049, "Unknown database"), True),
        (pymysql.err.OperationalError(2026, "SSL is required"), True),
        (pymysql.err.OperationalError(2003, "Can't connect"), False),
        (pymysql.err.OperationalError(1040, "Too many connections"), False),
    ],
    ids=repr,
)
def test_a_server_that_refuses_is_told_from_one_that_is_away(
    error: Exception, refuses: bool
) -> None:
    raised = DBAPIError.instance("SELECT 1", (), error, pymysql.err.Error)
    assert isinstance(raised, DBAPIError)
    assert isinstance(meaning_of(raised), Refused) is refuses


def test_a_certificate_that_is_not_trusted_refuses() -> None:
    error = pymysql.err.OperationalError(2003, "Can't connect")
    error.original_exception = ssl.SSLCertVerificationError("self-signed")  # type: ignore[attr-defined]
    raised = DBAPIError.instance("SELECT 1", (), error, pymysql.err.Error)
    assert isinstance(raised, DBAPIError)
    assert isinstance(meaning_of(raised), Refused)


def test_a_database_that_is_away_is_told_from_one_that_lacks_something(settings: Settings) -> None:
    url = f"mysql://nobody@127.0.0.1:{free_port()}/none"
    away = dataclasses.replace(settings, database_url=url)
    with pytest.raises(Unavailable, match="DATABASE_URL: cannot use mysql://nobody@"):
        require_schema(away)
    engine = writing_engine(away)
    with pytest.raises(Unavailable) as caught:
        check_schema(engine)
    assert caught.value.code == "database_unavailable"


def test_what_was_dropped_later_no_migration_brings_back(
    engine: Engine, database_settings: Settings
) -> None:
    change(engine, "DROP TABLE outcomes")
    with pytest.raises(BadSetting, match="is migrated, but it lacks the table outcomes"):
        make_migrate(database_settings)
    assert not inspect(engine).has_table("outcomes")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM nowhere",
        "SELECT unknown FROM sites",
        "SELECT 1 FROM sites WHERE sites.unknown = 1",
        "INSERT INTO sites (unknown) VALUES (1)",
        "UPDATE sites SET unknown = 1",
    ],
)
def test_what_turns_out_to_be_missing_means_not_migrated(engine: Engine, statement: str) -> None:
    with (
        pytest.raises(
            Unavailable, match=r"not up to date: .*(nowhere|unknown).*; run `make migrate`"
        ),
        translated_errors(),
        engine.begin() as connection,
    ):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        (
            "ALTER TABLE pending_counts RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO pending_counts",
        ),
        (
            "ALTER TABLE outcomes RENAME COLUMN events TO number",
            "ALTER TABLE outcomes RENAME COLUMN number TO events",
        ),
    ],
)
def test_a_batch_waits_until_the_database_is_migrated(
    engine: Engine, broken: str, mended: str
) -> None:
    """It is neither halted as by a bug, nor are its events parked."""
    change(engine, broken)
    with pytest.raises(Unavailable) as caught:
        commit(engine, "b", varied_events(1, 20))
    assert caught.value.code == "not_migrated"
    change(engine, mended)
    commit(engine, "b", varied_events(1, 20))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM events")) == 20
        assert connection.scalar(text("SELECT COUNT(*) FROM dead_letters")) == 0
