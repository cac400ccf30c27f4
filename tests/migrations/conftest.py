"""A database as an earlier version left it, once on SQLite and once on MariaDB.

None can have left one on OceanBase: their migrations name collations that it does not have.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroaring import BitMap
from sqlalchemy import Engine, func, select

from shared.clock import DAY_MS
from shared.counts.rollups import TOTAL_KEY
from shared.counts.user_sets import encode_sets
from shared.db.database import writing_engine
from shared.db.tables import (
    batch_receipts,
    erasures,
    events,
    events_by_week,
    pending_counts,
    recent_users,
    retention,
    site_locks,
    site_retention,
    site_settings,
    sparse_days,
    users_by_week,
    view_places,
)
from shared.settings import Settings
from tests import earlier
from tests.counted import TODAY, commit, varied_events
from tests.events import NOW, make_event
from tests.merged import merge
from tests.migrations.weeks import Weeks, weeks_of
from worker.stopping import StopFlag
from worker.upkeep.ages import oldest_kept
from worker.upkeep.compaction import compact
from worker.upkeep.retention import prune_events

# What a batch of now needs, and that version had not.
LATER_TABLES = (
    batch_receipts,
    erasures,
    pending_counts,
    site_locks,
    site_retention,
    site_settings,
    view_places,
    sparse_days,
)


@pytest.fixture(params=earlier.DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, on each kind of server that a test does not name itself."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def earlier_settings(settings: Settings, database_url: str, tmp_path: Path) -> Settings:
    given = dataclasses.replace(settings, database_url=database_url)
    if database_url.startswith("sqlite"):
        earlier.unpack(tmp_path / "footfall.db")
        return given
    engine = writing_engine(given)
    earlier.copy_to(engine, tmp_path / "earlier.db")
    engine.dispose()
    return given


@pytest.fixture
def engine(earlier_settings: Settings) -> Iterator[Engine]:
    engine = writing_engine(earlier_settings)
    yield engine
    engine.dispose()


@pytest.fixture
def healthy(engine: Engine) -> Weeks:
    """The weeks of some more weeks of events, of which many are pruned, some are from before the
    first Monday of 1970, and the last users are not compacted."""
    with engine.begin() as connection:
        for table in LATER_TABLES:
            table.create(connection, checkfirst=True)
    commit(engine, "weeks", varied_events(11, 150, days=40, users="other"))
    first_days = [
        make_event(n, event_id=f"1970-{n}", site_id="a", timestamp=n * DAY_MS, user_id=f"u{n}")
        for n in range(6)
    ]
    commit(engine, "1970", first_days)
    compact(engine)
    merge(engine)
    with engine.begin() as connection:  # as a batch of that version left who was there
        sets = encode_sets({("", TOTAL_KEY): BitMap([0])})
        row = {"site_id": "a", "bucket": TODAY, "batch_id": "recent", "sets": sets}
        connection.execute(recent_users.insert(), row)
    assert prune_events(engine, NOW, 10, StopFlag())
    with engine.begin() as connection:  # that version knew one moment for all sites
        row = {"id": 1, "pruned_before": oldest_kept(NOW, 10)}
        connection.execute(retention.insert(), row)
        for table in LATER_TABLES:
            table.drop(connection)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(recent_users))
        assert (connection.scalar(select(func.count()).select_from(events)) or 0) < 200
    found = weeks_of(engine)
    assert len({bucket for _, _, bucket, *_ in found[0]}) >= 6
    assert min(bucket for _, _, bucket, *_ in found[0]) < 0
    return found


@pytest.fixture
def broken(engine: Engine, healthy: Weeks) -> Weeks:
    """The same without the tables; these are the weeks it should have."""
    with engine.begin() as connection:
        events_by_week.drop(connection)
        users_by_week.drop(connection)
    return healthy
