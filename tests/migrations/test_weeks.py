"""A database that was migrated before there were weeks gets them, whatever else happens."""

from typing import Any

import pytest
from pyroaring import BitMap
from sqlalchemy import Engine, event, inspect, text

from footfall.migrate import migrate as make_migrate
from shared.clock import DAY_MS
from shared.counts.rollups import TOTAL
from shared.db.tables import events_by_week, metadata, users_by_day, users_by_week
from shared.settings import Settings
from tests.counted import differences
from tests.migration import migrate
from tests.migrations.weeks import Weeks, weeks_of


def test_missing_weeks_are_made_of_their_days(
    engine: Engine, earlier_settings: Settings, broken: Weeks
) -> None:
    make_migrate(earlier_settings)
    assert weeks_of(engine) == broken
    assert differences(earlier_settings) == []
    assert set(inspect(engine).get_table_names()) >= set(metadata.tables)
    assert not any(name.startswith("new_") for name in inspect(engine).get_table_names())


def test_they_are_made_a_few_rows_at_a_time(engine: Engine, broken: Weeks) -> None:
    """More rows of one dimension than are read at once, and one value's days on two pages."""
    with engine.begin() as connection:
        row = {"site_id": "a", "dimension": "made_up", "bitmap": BitMap([3]).serialize()}
        of_days = [{"value_key": b"k" * 16, "bucket": day * DAY_MS} for day in range(450)]
        connection.execute(users_by_day.insert(), [row | day for day in of_days])
    pages: list[str] = []

    def note(_c: object, _k: object, statement: str, parameters: Any, *_: Any) -> None:
        if "made_up" in str(parameters) and "users_by_day.bitmap" in statement:
            pages.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    migrate(engine)
    assert len(pages) == 4
    sets = weeks_of(engine)[1]
    found = {week: members for (_, of, _, week), members in sets.items() if of == "made_up"}
    assert found == {(4 + 7 * n) * DAY_MS: BitMap([3]) for n in range(-1, 64)}
    assert {key: sets[key] for key in sets if key[1] != "made_up"} == broken[1]


@pytest.mark.parametrize("table", [events_by_week, users_by_week], ids=str)
def test_one_table_without_the_other_is_made_with_it(
    engine: Engine, earlier_settings: Settings, healthy: Weeks, table: Any
) -> None:
    with engine.begin() as connection:
        table.drop(connection)
    migrate(engine)
    assert weeks_of(engine) == healthy
    assert differences(earlier_settings) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM events_by_week WHERE site_id = 'a'",
        "DELETE FROM users_by_week WHERE site_id = 'a'",
        "UPDATE events_by_week SET events = events + 1 WHERE site_id = 'b'",
    ],
)
def test_weeks_of_a_site_that_are_not_its_days_are_made_anew(
    engine: Engine, earlier_settings: Settings, healthy: Weeks, damage: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text(damage))
    migrate(engine)
    assert weeks_of(engine) == healthy
    assert differences(earlier_settings) == []


def written(engine: Engine) -> list[str]:
    """Statements from here on that change the tables of weeks."""
    found: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: Any) -> None:
        verb = statement.split()[0]
        if "_by_week" in statement and verb in {"INSERT", "UPDATE", "DELETE", "DROP", "RENAME"}:
            found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    return found


def test_healthy_weeks_are_left_as_they_are(
    engine: Engine, earlier_settings: Settings, healthy: Weeks
) -> None:
    statements = written(engine)
    migrate(engine)
    assert statements == []
    assert weeks_of(engine) == healthy
    assert differences(earlier_settings) == []


def test_a_second_time_there_is_nothing_to_do(engine: Engine, broken: Weeks) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    migrate(engine)
    assert not [s for s in statements if s.split()[0] in {"INSERT", "DELETE", "ALTER", "CREATE"}]
    assert weeks_of(engine) == broken


def test_bytes_that_are_no_bitmap_stop_nothing(engine: Engine, broken: Weeks) -> None:
    with engine.begin() as connection:
        row = {"site_id": "a", "dimension": TOTAL, "value_key": b"x" * 16, "bucket": 4 * DAY_MS}
        connection.execute(users_by_day.insert(), {**row, "bitmap": b"none"})
    migrate(engine)
    assert weeks_of(engine) == broken
