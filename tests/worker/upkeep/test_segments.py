"""Segments have all events of their hours or are not in force, whoever stores, prunes or dies."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest
from sqlalchemy import Connection, Engine, event, select

from reporting.count.from_segments import fetch_past
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.counts.segments import COLUMNS, TIME, USER, Segment, decode_column
from shared.db.database import reading_engine
from shared.db.tables import segment_columns, segments, users
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, insist, varied_events
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting.asked import stats_query_from
from tests.segmented import build_all, events_in, held, held_columns, in_force, once
from worker.stopping import StopFlag
from worker.stored import key_order
from worker.upkeep import segments as building
from worker.upkeep.segments import FULL_EVENTS, build_segments, segments_of

READING = "SELECT /* worker.segments */ events.timestamp"
NOTHING_BUILT: tuple[list[Segment], set[tuple[str, int, str]]] = ([], set())


@pytest.fixture
def reader(database_settings: Settings) -> Iterator[Engine]:
    engine = reading_engine(database_settings)
    yield engine
    engine.dispose()


def hours_of(*found: Segment) -> list[tuple[int, int, int]]:
    """From which hour of their day up to which, and how many events."""
    start = found[0].bucket - found[0].bucket % DAY_MS if found else 0
    return [((s.bucket - start) // HOUR_MS, (s.until - start) // HOUR_MS, s.events) for s in found]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ({}, []),
        ({0: 3}, [(0, 1, 3)]),
        ({0: 1, 1: 1}, [(0, 2, 2)]),
        ({23: 1, 2: 1}, [(2, 24, 2)]),
        ({0: FULL_EVENTS}, [(0, 1, FULL_EVENTS)]),
        ({0: FULL_EVENTS - 1, 1: 1}, [(0, 2, FULL_EVENTS)]),
        ({0: FULL_EVENTS - 1, 5: 7, 6: 1}, [(0, 6, FULL_EVENTS + 6), (6, 7, 1)]),
        ({3: 9 * FULL_EVENTS, 5: 1, 9: 1}, [(3, 4, 9 * FULL_EVENTS), (5, 10, 2)]),
        (dict.fromkeys(range(24), FULL_EVENTS), [(n, n + 1, FULL_EVENTS) for n in range(24)]),
    ],
)
def test_a_segment_ends_when_it_is_full_and_with_the_last_hour_that_has_events(
    hours: dict[int, int], expected: list[tuple[int, int, int]]
) -> None:
    planned = segments_of({TODAY + hour * HOUR_MS: number for hour, number in hours.items()})
    assert hours_of(*planned) == expected


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (TODAY + 9 * HOUR_MS + 2 * MINUTE_MS - 1, 8),
        (TODAY + 9 * HOUR_MS + 2 * MINUTE_MS, 9),
        (NOW, 9),
        (TODAY + 10 * HOUR_MS + 2 * MINUTE_MS - 1, 9),
        (TODAY + 10 * HOUR_MS + 2 * MINUTE_MS, 10),
        (TODAY + DAY_MS + 2 * MINUTE_MS, 11),
    ],
)
def test_hours_that_are_over_for_two_minutes_are_in_a_segment(
    engine: Engine, database_settings: Settings, now: int, until: int
) -> None:
    commit(engine, "b", events_in(6.2, 7.5, 7.99, 8, 8.999, 9, 9.4, 10.5))
    assert build_all(database_settings, engine, now)
    expected = sum(event_hour < until for event_hour in (6, 7, 7, 8, 8, 9, 9, 10))
    assert hours_of(*in_force(engine)) == [(6, until, expected)]
    assert differences(database_settings) == []


def test_the_columns_have_each_events_values_in_the_order_of_the_key(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_order.pages, "__defaults__", (None, 2))
    hour = TODAY + 3 * HOUR_MS
    made = [
        make_event(n, site_id="a", event_id=event_id, timestamp=hour + ms, user_id=user, path=path)
        for n, (event_id, ms, user, path) in enumerate(
            [
                ("z", 0, "u", "/"),
                ("b", 70_000, None, None),
                ("a", 70_000, "v", "/ä"),
                ("c", 69_999, "u", "/ä"),
                ("d", 3_599_999, "v", "/A"),
            ]
        )
    ]
    commit(engine, "b", made)
    build_all(database_settings, engine)
    with engine.connect() as connection:
        found = {
            row.name: decode_column(row.data) for row in connection.execute(select(segment_columns))
        }
        numbers = {row.user_id: row.number for row in connection.execute(select(users))}
    assert found.keys() == set(COLUMNS)
    assert found[TIME].numbers.tolist() == [0, 69_999, 70_000, 70_000, 3_599_999]
    u, v = numbers["u"] + 1, numbers["v"] + 1
    assert found[USER].numbers.tolist() == [u, u, v, 0, v]
    texts = [found["path"].texts[number] for number in found["path"].numbers]
    assert texts == ["/", "/ä", "/ä", None, "/A"]


def test_a_second_run_writes_nothing(engine: Engine, database_settings: Settings) -> None:
    commit(engine, "b", varied_events(1, 300))
    build_all(database_settings, engine)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *found: sent.append(found[2]))
    assert build_all(database_settings, engine)
    assert sent == []


def test_late_events_of_several_hours_take_the_segments_of_these_out_of_force(
    engine: Engine, database_settings: Settings, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait in one row, which begins in an hour of the first segment."""
    monkeypatch.setattr(building, "FULL_EVENTS", 3)
    commit(engine, "b", events_in(1, 1.2, 2, 3.1, 5, 5.1, 6.5, 7, 7.1))
    build_all(database_settings, engine)
    first, second, third = held(engine)
    commit(engine, "c", events_in(2.2, 7.5, batch="late"))
    assert in_force(engine) == [second]
    assert differences(database_settings) == []
    with reader.connect() as connection:
        query = stats_query_from({"site_id": ["a"], "date": ["2025-11-15"]}, NOW)
        past = fetch_past(connection, query)
    assert past.segments == [second]
    assert past.events_in_gaps == first.events + third.events + 2
    assert build_all(database_settings, engine)
    assert in_force(engine) == held(engine)
    assert sum(segment.events for segment in held(engine)) == 11


@pytest.mark.parametrize("hour", [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
def test_a_late_event_takes_its_segment_out_of_force_until_the_next_run(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch, hour: float
) -> None:
    monkeypatch.setattr(building, "FULL_EVENTS", 3)
    commit(engine, "b", events_in(1, 1.2, 2, 3.1, 5, 5.1))
    build_all(database_settings, engine)
    assert hours_of(*held(engine)) == [(1, 3, 3), (3, 6, 3)]
    commit(engine, "c", events_in(hour, batch="late"))
    concerned = [s for s in held(engine) if s.bucket <= TODAY + hour * HOUR_MS < s.until]
    assert in_force(engine) == [s for s in held(engine) if s not in concerned]
    assert differences(database_settings) == []
    assert build_all(database_settings, engine)
    assert in_force(engine) == held(engine)
    assert sum(segment.events for segment in held(engine)) == 7
    assert differences(database_settings) == []


def test_only_what_is_not_in_force_is_made_anew(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "FULL_EVENTS", 3)
    commit(engine, "b", events_in(1, 1.2, 2, 3.1, 5, 5.1))
    build_all(database_settings, engine)
    commit(engine, "c", events_in(5.5, batch="late"))
    written: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *found: written.append(found[2]))
    assert build_all(database_settings, engine)
    assert sum("INTO segments " in " ".join(sql.split()) for sql in written) == 1


def test_after_any_batch_the_next_run_has_each_event_in_one_segment(
    engine: Engine, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "FULL_EVENTS", 8)
    for seed in range(8):
        commit(engine, f"b{seed}", varied_events(seed, 5 * (seed % 3 + 1)))
        assert build_all(database_settings, engine)
        for site_id in "ab":
            found = held(engine, site_id)
            assert found == in_force(engine, site_id)
            assert all(s.until <= t.bucket for s, t in pairwise(found))
        heads = {(site, s.bucket) for site in "ab" for s in held(engine, site)}
        assert held_columns(engine) == {(*head, name) for head in heads for name in COLUMNS}
        assert differences(database_settings) == []
    assert sum(s.events for site in "ab" for s in held(engine, site)) == 75


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_batch_that_commits_meanwhile_is_in_no_segment_without_it(
    engine: Engine,
    database_settings: Settings,
    reader: Engine,
    moment: str,
) -> None:
    commit(engine, "b", events_in(1, 2))
    late = partial(commit, engine, "c", events_in(1.5, batch="late"))
    with once(reader, moment, READING, late):
        assert build_segments(reader, engine, NOW, StopFlag())
    assert held(engine) == []
    assert build_segments(reader, engine, NOW, StopFlag())
    assert hours_of(*in_force(engine)) == [(1, 3, 3)]
    assert differences(database_settings) == []


def test_what_a_segment_is_made_of_may_be_merged_later(
    engine: Engine, database_settings: Settings
) -> None:
    commit(engine, "b", events_in(1, 2))
    merge(engine)
    commit(engine, "c", events_in(1.5, batch="late"))
    assert build_all(database_settings, engine)
    before = held(engine)
    assert hours_of(*in_force(engine)) == [(1, 3, 3)]
    assert differences(database_settings) == []
    assert merge(engine) == 1
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *found: sent.append(found[2]))
    assert build_all(database_settings, engine)
    assert sent == []
    assert held(engine) == in_force(engine) == before
    assert differences(database_settings) == []


@pytest.mark.sampled
@pytest.mark.parametrize("work", ["merge", "commit"])
@pytest.mark.parametrize(
    "words",
    [
        "SELECT /* worker.site_locks */",
        "SELECT /* worker.segments */ sites.rebuilds",
        "SELECT /* worker.segments */ events_by_hour",
        "SELECT /* worker.segments */ pending_counts",
        "SELECT /* worker.retention */",
        "INTO segments",
        "INTO segment_columns",
    ],
)
def test_batches_and_merging_while_a_segment_is_written(
    engine: Engine, database_settings: Settings, words: str, work: str
) -> None:
    """Batches need not wait for it, also where they have new users; merging may have to."""
    commit(engine, "b", events_in(1, 2))
    merge(engine)
    commit(engine, "c", events_in(1.5, batch="late"))
    made = events_in(1.7, 1.8, 1.9, batch="latest")
    late = threading.Thread(
        target=lambda: insist(
            database_settings,
            merge if work == "merge" else partial(commit, batch_id="d", events=made),
        )
    )

    def start() -> None:
        late.start()
        must_wait = engine.dialect.name == "sqlite" or work == "merge"
        late.join(0.3 if must_wait else 30)
        assert must_wait or not late.is_alive()

    with once(engine, "before", words, start):
        assert build_all(database_settings, engine)
    late.join()
    assert differences(database_settings) == []
    assert build_all(database_settings, engine)
    assert sum(segment.events for segment in in_force(engine)) == (3 if work == "merge" else 6)
    assert differences(database_settings) == []


def test_a_run_that_is_stopped_or_out_of_time_is_finished_by_a_later_one(
    engine: Engine, database_settings: Settings, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(engine, "b", varied_events(1, 100))
    stopping = StopFlag()
    stopping.set()
    assert not build_segments(reader, engine, NOW, stopping)
    monkeypatch.setattr(building, "BUDGET_SECONDS", 0.0)
    assert not build_segments(reader, engine, NOW, StopFlag())
    assert (held(engine), held_columns(engine)) == NOTHING_BUILT
    monkeypatch.undo()
    stopping = StopFlag()
    with once(engine, "after", "INTO segment_columns", stopping.set):
        assert not build_segments(reader, engine, NOW, stopping)
    assert len(in_force(engine)) == 1
    assert build_segments(reader, engine, NOW, StopFlag())
    assert [len(in_force(engine, site)) for site in "ab"] == [3, 3]


def test_the_newest_day_comes_first(engine: Engine, database_settings: Settings) -> None:
    commit(engine, "b", varied_events(1, 100, sites="a", days=4))
    days: list[int] = []

    def look(connection: Connection) -> None:
        oldest = select(segments.c.bucket).order_by(segments.c.bucket).limit(1)
        days.append((TODAY + DAY_MS - 1 - (connection.scalar(oldest) or 0)) // DAY_MS)

    event.listen(engine, "commit", look)
    build_all(database_settings, engine)
    assert days == [0, 1, 2, 3]


def die(*_: object) -> None:
    raise KeyboardInterrupt


WRITING = [
    "SELECT /* worker.site_locks */",
    "SELECT /* worker.segments */ sites",
    "DELETE /* worker.segments */ FROM segments",
    "DELETE /* worker.segments */ FROM segment_columns",
    "INTO segments",
    "INTO segment_columns",
    "COMMIT",
]


@pytest.mark.parametrize("words", WRITING)
def test_killed_while_writing_the_old_segment_stays(
    engine: Engine, database_settings: Settings, words: str
) -> None:
    commit(engine, "b", events_in(1, 2))
    build_all(database_settings, engine)
    before = held(engine), held_columns(engine)
    commit(engine, "c", events_in(1.5, batch="late"))
    with dying(engine, words), pytest.raises(KeyboardInterrupt):
        build_all(database_settings, engine)
    assert (held(engine), held_columns(engine)) == before
    assert in_force(engine) == []
    build_all(database_settings, engine)
    assert hours_of(*in_force(engine)) == [(1, 3, 3)]
    assert differences(database_settings) == []


@contextmanager
def dying(engine: Engine, words: str) -> Iterator[None]:
    if words != "COMMIT":
        with once(engine, "before", words, die):
            yield
        return
    event.listen(engine, "commit", die)
    yield
    event.remove(engine, "commit", die)
