"""The migrations make exactly the tables that the code declares, and can be taken back."""

import dataclasses

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, inspect

from shared.db.database import writing_engine
from shared.db.tables import metadata
from shared.settings import Settings
from tests.migration import migrate


def test_migrations_go_up_down_and_up(settings: Settings, database_url: str) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_a_migration_killed_halfway_can_run_again(settings: Settings, database_url: str) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))

    def die(_c: object, _k: object, statement: str, *_: object) -> None:
        if "CREATE TABLE" in statement and "dead_letters" in statement:
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", die)
    with pytest.raises(KeyboardInterrupt):
        migrate(engine)
    event.remove(engine, "before_cursor_execute", die)
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_the_migrated_schema_is_the_metadata(settings: Settings, database_url: str) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
