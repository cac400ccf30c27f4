"""What an earlier version has written is whole and the same when it is migrated."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, func, inspect, select, text

from footfall.migrate import migrate as make_migrate
from shared.counts.segments import COLUMNS
from shared.db.tables import events, metadata, segments
from shared.settings import Settings
from tests.counted import commit, differences, varied_events
from tests.migration import migrate
from tests.migrations.longest import check_longest_keys
from tests.segmented import build_all

ROWLESS = ("sites", "users", "events_by_minute", "events_by_day", "events_by_week", "segments")


def test_it_is_migrated_and_nothing_differs(engine: Engine, earlier_settings: Settings) -> None:
    make_migrate(earlier_settings)
    assert differences(earlier_settings) == []
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 140
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert connection.scalars(select(segments.c.known_columns)).all() == [len(COLUMNS)] * 6
        assert connection.scalars(select(segments.c.made_columns)).all() == [12] * 6


def test_it_goes_on_from_there(engine: Engine, earlier_settings: Settings) -> None:
    migrate(engine)
    commit(engine, "later", varied_events(9, 60))
    build_all(earlier_settings, engine)
    assert differences(earlier_settings) == []
    with engine.connect() as connection:
        made = set(connection.scalars(select(segments.c.made_columns)))
    assert made == {len(COLUMNS)}  # late events came to each of them


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_tables_of_small_rows_stay_in_the_order_of_their_key(engine: Engine) -> None:
    """InnoDB knows no other order."""
    for revision in ("head", "base", "head"):
        migrate(engine, revision)
    with engine.connect() as connection:
        for name in ROWLESS:
            made = connection.scalar(
                text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name}
            )
            assert str(made).rstrip().endswith("WITHOUT ROWID"), name


def test_longer_names_fit_into_the_tables(engine: Engine) -> None:
    migrate(engine)
    check_longest_keys(engine)


def test_it_can_be_taken_back(engine: Engine) -> None:
    migrate(engine)
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
