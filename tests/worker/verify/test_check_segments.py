"""What segments hold and their events do not say is found, and told where it is."""

from array import array
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, delete, select, update

from shared.clock import DAY_MS
from shared.counts.segments import COLUMNS, TEXTS, decode_column, encode_column
from shared.db.tables import segment_columns, users
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, rebuild_all, varied_events
from tests.segmented import build_all, held
from worker.stored.extent import Part

TODAYS = Part("a", start=TODAY)
OF_TODAY = (segment_columns.c.site_id == "a", segment_columns.c.bucket >= TODAY)


@pytest.fixture
def built(engine: Engine, database_settings: Settings) -> Engine:
    """Two sites with three days, each a segment."""
    commit(engine, "b", varied_events(1, 100))
    build_all(database_settings, engine)
    return engine


def columns_of(engine: Engine, day: int) -> dict[str, bytes]:
    """Site a's of a day, by name."""
    bucket = segment_columns.c.bucket
    statement = select(segment_columns.c.name, segment_columns.c.data).where(
        segment_columns.c.site_id == "a", bucket >= day, bucket < day + DAY_MS
    )
    with engine.connect() as connection:
        return {row.name: row.data for row in connection.execute(statement)}


def set_columns(engine: Engine, data: dict[str, bytes]) -> None:
    """Of today's segment of site a."""
    with engine.begin() as connection:
        for name, its_data in data.items():
            its = (*OF_TODAY, segment_columns.c.name == name)
            connection.execute(update(segment_columns).where(*its).values(data=its_data))


def zeros(name: str, number: int) -> bytes:
    """A column of as many events, all with a value that none has, or of none of their times."""
    return encode_column(["same"] if name in TEXTS else [], array("Q", [0] * number))


def test_healthy_segments_are_their_events(built: Engine, database_settings: Settings) -> None:
    assert [len(held(built, site)) for site in "ab"] == [3, 3]
    assert differences(database_settings) == []


def lines_of(say: Callable[[str], str]) -> list[str]:
    where = "segment_columns: site='a' bucket=2025-11-15T00:00:00Z column="
    return [f"{where}{name!r}: expected {say(name)}" for name in COLUMNS]


def test_other_values_are_found(built: Engine, database_settings: Settings) -> None:
    number = held(built)[-1].events
    set_columns(built, {name: zeros(name, number) for name in COLUMNS})
    lines = differences(database_settings)
    told = lines_of(lambda _: f"{number} events, found {number}, ")
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True)), lines
    wrong = {line.split("'")[3]: int(line.rsplit(", ")[-1].split()[0]) for line in lines}
    # Somebody without a user has 0, and an event on the hour.
    assert all(wrong[name] == number for name in TEXTS)
    assert all(0 < wrong[name] <= number for name in set(COLUMNS) - set(TEXTS))


def test_fewer_values_are_found(built: Engine, database_settings: Settings) -> None:
    number = held(built)[-1].events
    for name, data in columns_of(built, TODAY).items():
        texts, numbers = decode_column(data)
        set_columns(built, {name: encode_column(texts, array("Q", numbers[:-1].tolist()))})
    told = f"{number} events, found {number - 1}, 0 with another value"
    assert differences(database_settings, TODAYS) == lines_of(lambda _: told)


def test_the_columns_of_another_day_are_found(built: Engine, database_settings: Settings) -> None:
    """Also where that day has as many events: only the values tell."""
    yesterday = columns_of(built, TODAY - DAY_MS)
    set_columns(built, yesterday)
    lines = differences(database_settings, TODAYS)
    told = lines_of(lambda _: f"{held(built)[-1].events} events, found {held(built)[-2].events}, ")
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True)), lines


def test_bytes_that_are_no_column_are_found(built: Engine, database_settings: Settings) -> None:
    set_columns(built, dict.fromkeys(COLUMNS, b"no column"))
    lines = differences(database_settings, TODAYS)
    told = lines_of(lambda _: "a column, found bytes: ")
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True)), lines


def test_numbers_of_no_text_are_found(built: Engine, database_settings: Settings) -> None:
    set_columns(built, {"path": encode_column(["/"], array("Q", [1]))})
    [line] = differences(database_settings, TODAYS)
    assert "column='path': expected a column, found bytes: " in line


def test_columns_that_are_missing_are_found_and_made_anew_after_a_rebuild(
    built: Engine, database_settings: Settings
) -> None:
    with built.begin() as connection:
        connection.execute(delete(segment_columns).where(*OF_TODAY))
    assert differences(database_settings) == lines_of(lambda _: "a column, found no row")
    rebuild_all(built, TODAYS)
    build_all(database_settings, built)
    assert differences(database_settings) == []


def test_another_number_of_a_user_is_found(built: Engine, database_settings: Settings) -> None:
    with built.begin() as connection:
        two = users.c.user_id.in_(["user-3", "user-4"])
        connection.execute(update(users).where(users.c.site_id == "a", two).values(number=0))
    lines = differences(database_settings, Part("a"))
    assert len([line for line in lines if "column='user'" in line]) == 3


def test_what_nobody_reads_is_not_looked_at(built: Engine, database_settings: Settings) -> None:
    """A late event has taken the segment out of force."""
    set_columns(built, {"path": b"no column"})
    commit(built, "c", varied_events(2, 50, sites="a", days=1))
    assert differences(database_settings) == []
    build_all(database_settings, built)
    assert differences(database_settings) == []
