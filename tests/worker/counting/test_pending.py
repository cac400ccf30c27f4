"""Which events of a batch share a row of `pending_counts`. That they are counted exactly is told in
tests/reporting/count/test_exactness.py and tests/worker/upkeep/test_merging.py."""

import pytest
from sqlalchemy import Engine, select

from shared.clock import DAY_MS, HOUR_MS
from shared.counts.pending import MOST_OF_HOURS, read_pending
from shared.db.tables import pending_counts
from shared.event import Event
from shared.settings import Settings
from tests.counted import TODAY, commit, differences
from tests.events import make_event
from tests.merged import merge

# site_id, and its events by the hour
Row = tuple[str, dict[float, int]]


def of_hours(site_id: str, hours: dict[float, int]) -> list[Event]:
    """So many events in each hour of a day, from its first to its last millisecond."""
    return [
        make_event(
            event_id=f"{hour}-{n}",
            site_id=site_id,
            user_id=f"u{n % 7}",
            timestamp=TODAY + int(hour * HOUR_MS) + n * (HOUR_MS - 1) // max(number - 1, 1),
        )
        for hour, number in hours.items()
        for n in range(number)
    ]


def rows_in(engine: Engine) -> list[Row]:
    of = pending_counts.c
    statement = select(of.site_id, of.bucket, of.events, of.data).order_by(of.site_id, of.bucket)
    with engine.connect() as connection:
        return [
            (
                site_id,
                {(hour - TODAY) / HOUR_MS: n for hour, n in read_pending(*row).hours().items()},
            )
            for site_id, *row in connection.execute(statement)
        ]


@pytest.mark.parametrize(
    ("hours", "rows"),
    [
        ({0: 1}, [{0: 1}]),
        ({0: 1, 1: 2, 23: 3}, [{0: 1, 1: 2, 23: 3}]),
        ({-1: 2, 0: 2, 23: 2, 24: 2}, [{-1: 2}, {0: 2, 23: 2}, {24: 2}]),
        ({1: MOST_OF_HOURS - 1, 2: 1, 3: 1}, [{1: MOST_OF_HOURS - 1, 2: 1}, {3: 1}]),
        (
            {1: 1, 2: MOST_OF_HOURS, 3: 1, 4: 1},
            [{1: 1}, {2: MOST_OF_HOURS}, {3: 1, 4: 1}],
        ),
        ({1: 2, 2: 2 * MOST_OF_HOURS, 3: 2}, [{1: 2}, {2: 2 * MOST_OF_HOURS}, {3: 2}]),
    ],
)
def test_hours_of_a_day_with_few_events_share_a_row(
    engine: Engine,
    database_settings: Settings,
    hours: dict[float, int],
    rows: list[dict[float, int]],
) -> None:
    commit(engine, "b", of_hours("a", hours) + of_hours("b", {12: 1}))
    assert rows_in(engine) == [*(("a", row) for row in rows), ("b", {12: 1})]
    assert differences(database_settings) == []
    assert merge(engine) == sum(hours.values()) + 1
    assert differences(database_settings) == []


def test_a_row_says_when_its_hours_begin_and_end(engine: Engine) -> None:
    commit(engine, "b", of_hours("a", {1: 2, 5: 2}))
    with engine.connect() as connection:
        (row,) = connection.execute(select(pending_counts)).all()
    assert row.bucket == row.first_event == TODAY + HOUR_MS
    assert row.last_event == TODAY + 6 * HOUR_MS - 1 < TODAY + DAY_MS
    assert (row.events, row.views) == (4, 4)
