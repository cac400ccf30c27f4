"""What is forgotten, and what must not be."""

from sqlalchemy import Engine, func, select

from shared.clock import DAY_MS
from shared.db.tables import batch_ledger, dedupe
from tests.events import NOW, make_batch, make_event
from worker.batch.commit import AlreadyCommitted, commit_batch
from worker.upkeep import retention
from worker.upkeep.retention import prune


def commit_keyed(engine: Engine, batch_id: str, numbers: range, now: int) -> int:
    keyed = [make_event(n, timestamp=now, has_caller_id=True) for n in numbers]
    return sum(
        number
        for (outcome, _), number in commit_batch(engine, make_batch(batch_id, *keyed), now).items()
        if outcome == "stored"
    )


def rows(engine: Engine, table: object) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)  # type: ignore[arg-type]


def test_a_callers_id_counts_again_after_its_window(engine: Engine) -> None:
    commit_keyed(engine, "old", range(5), NOW)
    commit_keyed(engine, "new", range(5, 8), NOW + 6 * DAY_MS)
    later = NOW + 8 * DAY_MS
    commit_keyed(engine, "last", range(0), later)
    prune(engine, later, 7, [])
    assert rows(engine, dedupe) == 3
    assert commit_keyed(engine, "again", range(8), later) == 5


def test_pruning_goes_on_until_nothing_old_is_left(engine: Engine, monkeypatch: object) -> None:
    retention.CHUNK_ROWS, before = 7, retention.CHUNK_ROWS
    try:
        commit_keyed(engine, "old", range(30), NOW)
        commit_keyed(engine, "new", range(0), NOW + 30 * DAY_MS)
        assert prune(engine, NOW + 30 * DAY_MS, 7, []) == 31
    finally:
        retention.CHUNK_ROWS = before
    assert (rows(engine, dedupe), rows(engine, batch_ledger)) == (0, 1)


def test_a_batch_that_redis_still_holds_stays_in_the_ledger(engine: Engine) -> None:
    commit_keyed(engine, "held", range(2), NOW)
    commit_keyed(engine, "gone", range(2, 4), NOW + DAY_MS)
    commit_keyed(engine, "new", range(4, 6), NOW + 30 * DAY_MS)
    prune(engine, NOW + 30 * DAY_MS, 7, ["held"])
    assert rows(engine, batch_ledger) == 2
    try:
        commit_keyed(engine, "held", range(2), NOW)
    except AlreadyCommitted:
        return
    raise AssertionError("the batch was counted twice")


def test_a_clock_that_is_a_week_ahead_makes_nobody_forget(engine: Engine) -> None:
    commit_keyed(engine, "a", range(5), NOW)
    assert prune(engine, NOW + 8 * DAY_MS, 7, []) == 0
    assert commit_keyed(engine, "b", range(5), NOW) == 0


def test_where_the_workers_clock_jumped_too_a_run_forgets_a_few_hours(engine: Engine) -> None:
    for day in range(6):
        commit_keyed(engine, f"day {day}", range(day, day + 1), NOW + day * DAY_MS)
    jumped = NOW + 14 * DAY_MS
    commit_keyed(engine, "jumped", range(6, 7), jumped)
    assert prune(engine, jumped, 7, []) == 2  # of the oldest batch: its key and its row
    assert commit_keyed(engine, "again", range(6), jumped) == 1


def test_runs_go_on_where_the_last_one_stopped(engine: Engine) -> None:
    for day in range(4):
        commit_keyed(engine, f"day {day}", range(day, day + 1), NOW + day * DAY_MS)
    later = NOW + 14 * DAY_MS
    commit_keyed(engine, "last", range(4, 5), later)
    assert [prune(engine, later, 7, []) for _ in range(5)] == [2, 2, 2, 2, 0]
