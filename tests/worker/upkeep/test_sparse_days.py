"""Days with few events, of which not everything is counted: which these are, and how they end."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from sqlalchemy import Engine, Table, func, select

from shared.clock import DAY_MS, HOUR_MS
from shared.counts import sparse
from shared.counts.rollups import TOTAL
from shared.counts.sparse import Kept
from shared.db.tables import (
    events,
    events_by_day,
    events_by_hour,
    events_by_week,
    sparse_days,
    users_by_day,
    users_by_hour,
)
from shared.event import Event
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, reader_beside, rebuild_all, varied_events
from tests.events import NOW, make_event
from tests.killed import is_killed, steps_of
from tests.merged import merge, merge_as_before
from worker.stopping import StopFlag
from worker.stored.extent import Part
from worker.stored.sparse_days import fetch_grown, fetch_mixed
from worker.upkeep.ages import Oldest, fetch_oldest
from worker.upkeep.filling import fill, fill_before
from worker.upkeep.retention import prune_events

TOTALS_BELOW, DAYS_BELOW = 10, 60
pytestmark = pytest.mark.sparse(TOTALS_BELOW, DAYS_BELOW)


@pytest.fixture
def reader(engine: Engine) -> Iterator[Engine]:
    reader = reader_beside(engine)
    yield reader
    reader.dispose()


def events_of(day: int, number: int, named: str = "e", site_id: str = "a") -> list[Event]:
    return [
        make_event(
            n,
            event_id=f"{named}-{day}-{n}",
            site_id=site_id,
            timestamp=day + n % 5 * HOUR_MS,
            path=f"/{n % 3}",
            user_id=f"u{n % 4}",
        )
        for n in range(number)
    ]


def kept(engine: Engine) -> dict[tuple[str, int], tuple[Kept, int]]:
    """Of each sparse day what is kept, and how many events it has."""
    with engine.connect() as connection:
        return {
            (row.site_id, row.bucket): (Kept(row.kept), row.events)
            for row in connection.execute(select(sparse_days))
        }


def dimensions(engine: Engine, table: Table) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(select(table.c.dimension).distinct()))


def test_of_a_day_with_few_events_totals_are_counted(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", events_of(TODAY, TOTALS_BELOW - 1))
    merge(engine)
    assert kept(engine) == {("a", TODAY): (Kept.TOTALS, TOTALS_BELOW - 1)}
    for table in (events_by_hour, events_by_day, events_by_week, users_by_day):
        assert dimensions(engine, table) == {TOTAL}
    assert dimensions(engine, users_by_hour) == set()
    assert differences(database_settings) == []


def test_of_a_day_with_some_events_values_are_counted_by_the_day(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", events_of(TODAY, DAYS_BELOW - 1))
    merge(engine)
    assert kept(engine) == {("a", TODAY): (Kept.DAYS, DAYS_BELOW - 1)}
    assert dimensions(engine, events_by_hour) == {TOTAL}
    assert dimensions(engine, users_by_hour) == {TOTAL, "event_type"}
    assert (
        dimensions(engine, events_by_day) == dimensions(engine, events_by_week) == {TOTAL, "path"}
    )
    assert dimensions(engine, users_by_day) == {TOTAL, "event_type", "path"}
    assert differences(database_settings) == []


def test_a_day_begins_as_the_day_before_was(engine: Engine) -> None:
    for number, day in ((DAYS_BELOW, 2), (2, 1), (3, 0)):
        commit(engine, f"b{day}", events_of(TODAY - day * DAY_MS, number))
        merge(engine)
    commit(engine, "more", events_of(TODAY - DAY_MS, 2, "more"))
    merge(engine)
    assert kept(engine) == {("a", TODAY): (Kept.TOTALS, 3)}


def test_a_day_that_was_counted_in_full_stays_so(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", events_of(TODAY, 3))
    merge_as_before(engine)
    commit(engine, "b2", events_of(TODAY, 3, "more"))
    merge(engine)
    assert kept(engine) == {}
    assert differences(database_settings) == []


def test_a_day_that_grows_is_counted_with_more(
    engine: Engine,
    reader: Engine,
    database_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sparse, "GROWN", 2)
    grown = []
    for number in range(15):
        commit(engine, f"b{number}", events_of(TODAY, TOTALS_BELOW - 1, f"b{number}"))
        merge(engine)
        fill(reader, engine, fetch_grown, StopFlag())
        assert differences(database_settings) == []
        grown += [kept(engine).get(("a", TODAY), (Kept.ALL, 0))[0]]
    assert Counter(grown).keys() == {Kept.TOTALS, Kept.DAYS, Kept.ALL}
    assert grown == sorted(grown)


def test_a_day_to_which_an_earlier_version_adds_is_counted_anew(
    engine: Engine, reader: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", events_of(TODAY, 4))
    merge(engine)
    commit(engine, "b2", events_of(TODAY, 3, "more"))
    merge_as_before(engine)
    assert differences(database_settings) == []
    fill(reader, engine, fetch_mixed, StopFlag())
    assert kept(engine) == {("a", TODAY): (Kept.TOTALS, 7)}
    assert dimensions(engine, events_by_day) == {TOTAL}
    assert differences(database_settings) == []


def test_rebuilt_in_full_or_not(engine: Engine, database_settings: Settings) -> None:
    commit(engine, "b", varied_events(1, 90))
    merge(engine)
    sparsely = kept(engine)
    rebuild_all(engine, in_full=True)
    assert kept(engine) == {}
    assert differences(database_settings) == []
    rebuild_all(engine)
    assert kept(engine) == sparsely
    assert len(sparsely) > 3
    assert differences(database_settings) == []


def test_before_its_events_go_a_day_is_counted_in_full(
    engine: Engine, reader: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", varied_events(1, 60, days=5))
    merge(engine)
    assert prune_events(engine, NOW, 2, StopFlag())
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 60
    oldest = fetch_oldest(engine, NOW, 2)
    before = oldest.of("a") or 0
    assert fill_before(reader, engine, oldest, StopFlag())
    assert all(day >= before for _, day in kept(engine))
    expected = values_before(engine, before)
    assert prune_events(engine, NOW, 2, StopFlag())
    with engine.connect() as connection:
        assert (connection.scalar(select(func.min(events.c.timestamp))) or 0) >= before
    assert expected == values_before(engine, before) != []
    commit(engine, "late", events_of(before - DAY_MS, 2, "late"))
    merge(engine)
    assert all(day >= before for _, day in kept(engine))
    assert differences(database_settings) == []


def values_before(engine: Engine, before: int) -> list[tuple[object, ...]]:
    of = events_by_day.c
    with engine.connect() as connection:
        found = select(events_by_day).where(of.dimension == "path", of.bucket < before)
        return sorted(tuple(row) for row in connection.execute(found))


# At how many steps a work is killed, on SQLite and on others.
TRIED, SOME = 12, 4
WORKS: dict[str, Callable[[Engine, Engine], object]] = {
    "merging": lambda _reader, engine: merge(engine),
    "filling": lambda reader, engine: fill(reader, engine, fetch_grown, StopFlag()),
    "before pruning": lambda reader, engine: fill_before(
        reader, engine, Oldest(NOW, {}), StopFlag()
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_killed_at_any_step_nothing_is_counted_wrongly(
    engine: Engine,
    reader: Engine,
    database_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(sparse, "GROWN", 2)
    work = partial(WORKS[name], reader, engine)
    for number in range(3 * TRIED):
        part = Part(f"site{number}")
        for batch in range(3):
            some = events_of(TODAY, TOTALS_BELOW - 1, f"{batch}", f"site{number}")
            commit(engine, f"b{number}-{batch}", some)
            if batch < 2 or name != "merging":
                merge(engine)
        if number == 0:
            every = 1 + steps_of(work) // (TRIED if engine.dialect.name == "sqlite" else SOME)
            continue
        died = is_killed(work, number * every)
        assert differences(database_settings, part) == []
        if not died:
            break
    else:
        raise AssertionError("it never came to its end")
    work()
    assert differences(database_settings) == []
