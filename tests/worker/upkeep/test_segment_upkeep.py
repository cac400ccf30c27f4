"""Segments beside pruning, rebuilding and other workers: exact, or not there."""

import threading

import pytest
from sqlalchemy import Connection, Engine, delete, event, func, select, update

from shared.clock import DAY_MS, HOUR_MS
from shared.counts.segments import COLUMNS
from shared.db.tables import events, segments, sites, users
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, insist, rebuild_all, varied_events
from tests.events import NOW
from tests.merged import merge
from tests.segmented import build_all, held, held_columns, in_force
from worker.stopping import StopFlag
from worker.stored.extent import Part
from worker.upkeep import retention
from worker.upkeep import segments as building
from worker.upkeep.retention import prune_events, raise_pruned_before


@pytest.fixture
def built(engine: Engine, database_settings: Settings) -> Engine:
    """Two sites with three days, each a segment."""
    commit(engine, "b", varied_events(1, 300))
    merge(engine)
    build_all(database_settings, engine)
    return engine


def days_of_held(engine: Engine, site_id: str = "a") -> list[int]:
    """How many days before today."""
    return [(TODAY + DAY_MS - 1 - segment.bucket) // DAY_MS for segment in held(engine, site_id)]


def test_pruning_takes_the_segments_before_the_first_event(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "FULL_EVENTS", 10)
    monkeypatch.setattr(retention, "CHUNK_SEGMENTS", 2)
    monkeypatch.setattr(retention, "CHUNK_ROWS", 20)
    commit(engine, "b", varied_events(1, 300, sites="a"))
    build_all(database_settings, engine)
    left: list[tuple[int, int]] = []

    def look(connection: Connection) -> None:
        old = (segments.c.bucket < TODAY, events.c.timestamp < TODAY)
        numbers = [
            connection.scalar(select(func.count()).select_from(table).where(is_old)) or 0
            for table, is_old in zip((segments, events), old, strict=True)
        ]
        left.append((numbers[0], numbers[1]))

    todays = [segment for segment in held(engine) if segment.bucket >= TODAY]
    event.listen(engine, "commit", look)
    assert prune_events(engine, NOW + DAY_MS, 1, StopFlag())
    event.remove(engine, "commit", look)
    (some, all_events), end = left[0], left[-1]
    assert some > 4
    assert end == (0, 0)
    assert all(number in (0, all_events) or not there for there, number in left)
    assert {there for there, number in left if number < all_events} == {0}
    steps = list(dict.fromkeys(there for there, _ in left))
    assert steps == [*range(some, 0, -2), 0]
    assert held(engine) == todays
    assert build_all(database_settings, engine)
    assert held(engine) == in_force(engine) == todays
    assert {bucket for _, bucket, _ in held_columns(engine)} == {s.bucket for s in todays}


def test_pruning_leaves_the_segments_of_days_that_stay(
    built: Engine, database_settings: Settings
) -> None:
    assert prune_events(built, NOW, 1, StopFlag())
    assert days_of_held(built, "a") == days_of_held(built, "b") == [1, 0]
    assert in_force(built) == held(built)
    assert differences(database_settings) == []


def test_late_events_of_a_pruned_day_come_into_no_segment(
    built: Engine, database_settings: Settings
) -> None:
    prune_events(built, NOW, 1, StopFlag())
    commit(built, "c", varied_events(2, 50))
    assert build_all(database_settings, built)
    assert days_of_held(built) == [1, 0]
    assert in_force(built) == held(built)


def test_a_rebuilt_day_has_no_segment_until_the_next_run(
    built: Engine, database_settings: Settings
) -> None:
    before = held(built), held_columns(built)
    rebuild_all(built, Part("a", TODAY - DAY_MS, TODAY))
    assert (days_of_held(built, "a"), days_of_held(built, "b")) == ([2, 0], [2, 1, 0])
    assert {name for site, bucket, name in held_columns(built) if days(bucket) == 1} == set(COLUMNS)
    assert len(held_columns(built)) == 5 * len(COLUMNS)
    assert build_all(database_settings, built)
    assert (held(built), held_columns(built)) == before
    assert differences(database_settings) == []


def days(bucket: int) -> int:
    return (TODAY + DAY_MS - 1 - bucket) // DAY_MS


def test_users_who_get_another_number_are_in_no_old_segment(
    built: Engine, database_settings: Settings
) -> None:
    with built.begin() as connection:
        two = users.c.user_id.in_(["user-3", "user-4"])
        connection.execute(update(users).where(users.c.site_id == "a", two).values(number=0))
    assert differences(database_settings) != []
    rebuild_all(built, Part("a"))
    assert (held(built, "a"), len(held(built, "b"))) == ([], 3)
    assert build_all(database_settings, built)
    assert differences(database_settings) == []


def test_of_a_site_without_events_no_segment_is_left(
    built: Engine, database_settings: Settings
) -> None:
    with built.begin() as connection:
        connection.execute(delete(events).where(events.c.site_id == "a"))
    rebuild_all(built, Part("a"))
    assert {site for site, *_ in held_columns(built)} == {"b"}
    assert (held(built, "a"), len(held(built, "b"))) == ([], 3)


def test_a_segment_of_no_site_goes_with_a_rebuild(engine: Engine) -> None:
    with engine.begin() as connection:
        row = {"site_id": "x", "bucket": TODAY, "until": TODAY + HOUR_MS, "events": 1}
        connection.execute(segments.insert().values(**row))
    rebuild_all(engine)
    assert held(engine, "x") == []
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(sites)) == 0


def test_segments_made_twice_at_once_beside_workers_stay_exact(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "FULL_EVENTS", 30)
    stored = threading.Event()
    failed: list[Exception] = []

    def store() -> None:
        for seed in range(12):
            made = varied_events(seed, 40)
            insist(database_settings, lambda own: commit(own, f"{seed}", made))  # noqa: B023
        stored.set()

    def keep_building() -> None:
        try:
            while not stored.is_set():
                insist(database_settings, lambda own: build_all(database_settings, own))
        except Exception as error:  # noqa: BLE001  # told below
            failed.append(error)

    threads = [threading.Thread(target=work) for work in (store, keep_building, keep_building)]
    for thread in threads:
        thread.start()
    while not stored.is_set():
        insist(database_settings, merge)
        assert differences(database_settings) == []
    for thread in threads:
        thread.join()
    assert failed == []
    assert build_all(database_settings, engine)
    assert sum(segment.events for site in "ab" for segment in in_force(engine, site)) == 480
    assert differences(database_settings) == []


def test_verify_names_a_segment_whose_events_are_gone_and_none_that_pruning_will_take(
    built: Engine, database_settings: Settings
) -> None:
    raise_pruned_before(built, dict.fromkeys("ab", TODAY))
    assert differences(database_settings) == []
    with built.begin() as connection:
        connection.execute(delete(events).where(events.c.timestamp < TODAY - DAY_MS))
    told = differences(database_settings)
    assert told
    assert all("expected no row, found a row" in line for line in told)
