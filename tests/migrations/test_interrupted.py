"""Making weeks, killed at any line, and with others at work meanwhile."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect, select, text, update

from shared.clock import DAY_MS
from shared.counts.segments import COLUMNS
from shared.db.database import writing_engine
from shared.db.tables import segment_columns, segments
from shared.settings import Settings
from tests.counted import commit, differences, varied_events
from tests.migration import migrate
from tests.migrations.weeks import Weeks, weeks_of
from tests.segmented import once
from worker.upkeep.compaction import compact

# What cannot be on SQLite: there all is one transaction, and nobody else writes, or sees any of it.
ON_MARIADB = pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)


def die() -> None:
    raise KeyboardInterrupt


def migrate_and_die(engine: Engine, moment: str, words: str) -> None:
    with once(engine, moment, words, die), pytest.raises(KeyboardInterrupt):
        migrate(engine)
    gc.collect()  # a process that is gone holds no cursor, and with it a lock of SQLite's


# Statements before and after which the process may be killed.
ANYWHERE = (
    "CREATE TABLE IF NOT EXISTS new_events_by_week",
    "CREATE TABLE IF NOT EXISTS new_users_by_week",
    "INSERT INTO new_events_by_week",
    "INSERT INTO new_users_by_week",
    "ALTER TABLE segments ADD COLUMN",
    "UPDATE segments",
    "UPDATE alembic_version",
)
MOMENTS = {
    "sqlite": (*ANYWHERE, "ALTER TABLE new_users_by_week RENAME"),
    "mariadb": (*ANYWHERE, "ALTER TABLE users_by_day MODIFY", "RENAME TABLE", "COMMIT"),
}


@pytest.mark.parametrize(
    ("database_url", "words"),
    [(kind, words) for kind, found in MOMENTS.items() for words in found],
    indirect=["database_url"],
)
def test_killed_anywhere_it_goes_on_when_it_is_run_again(
    engine: Engine, earlier_settings: Settings, broken: Weeks, words: str
) -> None:
    migrate_and_die(engine, "before", words)
    migrate_and_die(engine, "after", words)
    migrate(engine)
    assert weeks_of(engine) == broken
    assert differences(earlier_settings) == []
    with engine.connect() as connection:
        assert set(connection.scalars(select(segments.c.known_columns))) == {len(COLUMNS)}


def test_killed_at_each_statement_in_turn_it_comes_to_its_end(
    engine: Engine, earlier_settings: Settings, broken: Weeks
) -> None:
    left = 0

    def count_down(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", count_down)
    for number in range(1, 1000, 5):
        left = number
        try:
            migrate(engine)
        except KeyboardInterrupt:
            continue
        break
    left = 0
    assert number > 30
    assert weeks_of(engine) == broken
    assert differences(earlier_settings) == []


@ON_MARIADB
def test_until_they_have_all_nobody_sees_the_tables(engine: Engine, broken: Weeks) -> None:
    seen: list[bool] = []

    def look(_c: object, _k: object, statement: str, *_: Any) -> None:
        if "INSERT INTO new_" in statement:
            other = inspect(engine)
            seen.append(other.has_table("events_by_week") or other.has_table("users_by_week"))

    event.listen(engine, "before_cursor_execute", look)
    migrate(engine)
    assert seen
    assert not any(seen)


def test_segments_made_meanwhile_by_an_old_process_have_the_columns_of_all(
    engine: Engine, earlier_settings: Settings
) -> None:
    """Killed between the new column and what is written into it, and run again."""
    migrate_and_die(engine, "before", "UPDATE segments")
    row = {"site_id": "a", "bucket": 0, "until": DAY_MS, "events": 1}
    with engine.begin() as connection:
        connection.execute(segments.insert(), row)
    migrate(engine)
    with engine.connect() as connection:
        assert set(connection.scalars(select(segments.c.known_columns))) == {len(COLUMNS)}


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
def test_nothing_is_vouched_for_that_is_made_once_there_may_be_hosts(
    engine: Engine, earlier_settings: Settings
) -> None:
    """Killed behind the column of hosts, which MariaDB commits by itself: workers may store some,
    and an old process make segments of them, before it is run again."""
    migrate_and_die(engine, "after", "ALTER TABLE events ADD COLUMN hostname")
    row = {"site_id": "a", "bucket": 0, "until": DAY_MS, "events": 1}
    with engine.begin() as connection:
        connection.execute(segments.insert(), row)
    migrate(engine)
    known = select(segments.c.bucket, segments.c.known_columns)
    with engine.connect() as connection:
        found = {row.bucket: row.known_columns for row in connection.execute(known)}
    assert found.pop(0) == 0
    assert set(found.values()) == {len(COLUMNS)}


def test_segments_of_hosts_go_with_the_hosts(engine: Engine, earlier_settings: Settings) -> None:
    migrate(engine)
    row = {"site_id": "a", "name": "hostname", "bucket": 0, "part": 0, "data": b""}
    with engine.begin() as connection:
        connection.execute(segment_columns.insert(), row)
        connection.execute(update(segments).values(made_columns=len(COLUMNS)))
    migrate(engine, "0005", is_down=True)
    migrate(engine)
    with engine.connect() as connection:
        assert set(connection.scalars(select(segments.c.made_columns))) == {12}
        hosts = segment_columns.c.name == "hostname"
        assert connection.execute(select(segment_columns.c.bucket).where(hosts)).all() == []


def meanwhile(
    engine: Engine, settings: Settings, words: str, work: Callable[[Engine], Any]
) -> None:
    """Migrate; at the first statement with these words another process begins some work, and may
    have to wait."""
    other = writing_engine(settings)
    thread = threading.Thread(target=lambda: work(other))

    def start() -> None:
        thread.start()
        thread.join(1)

    with once(engine, "before", words, start):
        migrate(engine)
    thread.join()
    other.dispose()


@ON_MARIADB
@pytest.mark.parametrize(
    "words",
    [
        "sum(new_events_by_week.events)",
        "INSERT INTO new_users_by_week",
        "sum(events_by_week.events)",
        "DELETE FROM events_by_week",
        "INSERT INTO events_by_week",
        "INSERT INTO users_by_week",
        "UPDATE alembic_version",
    ],
)
def test_workers_may_be_at_work_meanwhile(
    engine: Engine, earlier_settings: Settings, broken: Weeks, words: str
) -> None:
    if " new_" not in words and "(new_" not in words:
        # Tables that are there and lack something.
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM events_by_week"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))

    def store_and_gather(other: Engine) -> None:
        insist_on(other, lambda: commit(other, "meanwhile", varied_events(13, 80, days=60)))
        insist_on(other, lambda: compact(other))

    meanwhile(engine, earlier_settings, words, store_and_gather)
    assert differences(earlier_settings) == []


def insist_on(engine: Engine, work: Callable[[], Any]) -> None:
    """As a worker does, which meets a table that is not there yet."""
    for _ in range(200):
        try:
            work()
            return
        except Exception:  # noqa: BLE001  # whatever it is that an earlier version raised
            engine.dispose()
            threading.Event().wait(0.05)
    raise AssertionError("it never came to its end")
