"""The migrations make exactly the tables that the code declares, and can be taken back."""

import dataclasses
from itertools import product
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import VARCHAR, Engine, Inspector, event, inspect, select, text

from shared.db.database import writing_engine
from shared.db.schema import check_schema
from shared.db.tables import batch_ledger, metadata, retention, site_retention
from shared.settings import Settings
from tests import earlier
from tests.migration import migrate
from tests.migrations.longest import check_longest_keys

ON_OCEANBASE = pytest.mark.parametrize("database_url", ["oceanbase"], indirect=True)
INDEXES = text(
    "SELECT table_name, index_name, column_name FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND index_name <> 'PRIMARY'"
)


def test_migrations_go_up_down_and_up(settings: Settings, database_url: str) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine, "heads")
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine, "heads")
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


@pytest.mark.parametrize(("known", "left"), [(None, 7), (3, 7), (9, 9)])
def test_versions_before_take_events_of_all_sites_for_gone_where_any_site_s_are(
    settings: Settings, database_url: str, known: int | None, left: int
) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    with engine.begin() as connection:
        rows = [{"site_id": site_id, "pruned_before": at} for site_id, at in (("a", 5), ("b", 7))]
        connection.execute(site_retention.insert(), rows)
        if known is not None:
            connection.execute(retention.insert(), {"id": 1, "pruned_before": known})
    migrate(engine, "0013", is_down=True)
    with engine.connect() as connection:
        assert connection.scalars(select(retention.c.pruned_before)).all() == [left]
    engine.dispose()


@pytest.mark.parametrize(
    ("database_url", "revision"),
    [*product(earlier.DATABASES, ["head", "heads"]), ("oceanbase", "head")],
    indirect=["database_url"],
)
@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("dead_letters", "before"),
        ("retention", "before"),
        ("site_retention", "before"),
        ("site_retention", "after"),
        ("alembic_version", "before"),
    ],
)
def test_killed_halfway_it_can_run_again(
    settings: Settings, database_url: str, revision: str, words: str, moment: str
) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))

    def die(_c: object, _k: object, statement: str, *_: object) -> None:
        if "CREATE TABLE" in statement and words in statement:
            raise KeyboardInterrupt

    event.listen(engine, f"{moment}_cursor_execute", die)
    with pytest.raises(KeyboardInterrupt):
        migrate(engine, revision)
    event.remove(engine, f"{moment}_cursor_execute", die)
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


@pytest.mark.parametrize("revision", ["head", "heads"])
def test_the_schema_is_the_metadata(settings: Settings, database_url: str, revision: str) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine, revision)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@ON_OCEANBASE
@pytest.mark.filterwarnings("ignore:Unknown schema content")
def test_the_schema_is_the_metadata_without_migrations(
    settings: Settings, database_url: str
) -> None:
    """SQLAlchemy cannot read what OceanBase says of an index, so the server is asked for these."""
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        changes = compare_metadata(context, metadata)
        assert {change for change, _ in changes} == {"add_index"}
        declared = {
            (table.name, index.name, column.name)
            for table in metadata.tables.values()
            for index in table.indexes
            for column in index.columns
        }
        assert {tuple(row) for row in connection.execute(INDEXES)} == declared
    engine.dispose()


@ON_OCEANBASE
def test_the_longest_names_fit_without_migrations(settings: Settings, database_url: str) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    check_longest_keys(engine)
    engine.dispose()


def test_tables_are_the_same_created_or_migrated(settings: Settings, database_url: str) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    created = described(engine)
    migrate(engine, "base")
    migrate(engine, "heads")
    assert described(engine) == created
    engine.dispose()


def type_of(column: Any) -> str:
    """SQLite takes text of any length, and no migration changes what it is said to be."""
    name = str(column["type"])
    return "VARCHAR" if type(column["type"]) is VARCHAR else name


def described(engine: Engine) -> dict[str, Any]:
    """All tables as the database tells of them, whatever the order of their columns; and whether
    they are compressed, which is not a migration's to change: a large table would be copied."""
    found = inspect(engine)
    return {
        name: (
            {
                column["name"]: (type_of(column), column["nullable"], column["default"])
                for column in found.get_columns(name)
            },
            found.get_pk_constraint(name)["constrained_columns"],
            found.get_indexes(name),
            options_of(found, name),
        )
        for name in found.get_table_names()
    }


def options_of(found: Inspector, name: str) -> dict[str, Any]:
    options = found.get_table_options(name)
    return {key: value for key, value in options.items() if "page_compress" not in key}


def test_what_an_older_version_began_is_finished_by_migrations(
    settings: Settings, database_url: str
) -> None:
    """Its tables lack columns, and nothing says of which version they are."""
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    migrate(engine)
    check_schema(engine)
    engine.dispose()


def test_rows_without_a_version_are_brought_up_by_migrations(
    settings: Settings, database_url: str
) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(batch_ledger.insert(), {"batch_id": "b", "committed_at": 1})
    migrate(engine)
    check_schema(engine)
    with engine.connect() as connection:
        assert connection.scalar(select(batch_ledger.c.batch_id)) == "b"
    engine.dispose()
