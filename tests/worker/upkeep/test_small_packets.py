"""What is longer than a server takes in one statement goes there in several."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, func, select

from shared.counts import segments as shared_segments
from shared.db.database import writing_engine
from shared.db.dialects import dialect_of
from shared.db.tables import events, segment_columns
from shared.settings import Settings
from tests.counted import TODAY, commit, differences
from tests.events import make_event
from tests.migration import migrate
from tests.refused import SMALL_PACKET_BYTES, small_packets
from tests.segmented import build_all, in_force

# Of 2,000 characters each, and each of them is escaped.
LONG_PATHS = 1_200


@pytest.fixture(params=["mariadb", "oceanbase"])
def small(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    url = request.getfixturevalue(f"{request.param}_url")
    with small_packets(request.getfixturevalue(request.param)):
        yield replace(settings, database_url=url)


@pytest.fixture
def engine(small: Settings) -> Iterator[Engine]:
    engine = writing_engine(small)
    migrate(engine)
    yield engine
    engine.dispose()


def test_batches_and_segments_are_stored_where_packets_are_small(
    small: Settings, engine: Engine
) -> None:
    with engine.connect():
        limit = dialect_of(engine).max_value_bytes
    assert limit is not None
    assert 2 * limit < SMALL_PACKET_BYTES < shared_segments.PART_BYTES
    arrived = [
        make_event(n, site_id="a", timestamp=TODAY + n, path=f"/{n}".ljust(2000, "'"))
        for n in range(LONG_PATHS)
    ]
    commit(engine, "b", arrived)
    assert build_all(small, engine)
    assert [segment.events for segment in in_force(engine)] == [LONG_PATHS]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == LONG_PATHS
        parts = connection.scalars(select(func.length(segment_columns.c.data))).all()
    assert sum(parts) > 2 * SMALL_PACKET_BYTES
    assert max(parts) == limit
    assert differences(small) == []
