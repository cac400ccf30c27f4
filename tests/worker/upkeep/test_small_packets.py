"""What is longer than a server takes in one statement goes there in several."""

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pyroaring import BitMap
from sqlalchemy import Engine, func, select

from shared.clock import HOUR_MS
from shared.counts import segments as shared_segments
from shared.counts.rollups import TOTAL, TOTAL_KEY
from shared.counts.user_sets import encode_sets
from shared.db.database import writing_engine
from shared.db.dialects import dialect_of
from shared.db.tables import dead_letters, events, pending_counts, recent_users, segment_columns
from shared.outcomes import Outcome
from shared.queue.event_queue import Batch
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, varied_events
from tests.events import NOW, make_batch, make_event
from tests.merged import merge
from tests.migration import migrate
from tests.refused import SMALL_PACKET_BYTES, small_packets
from tests.segmented import build_all, in_force
from worker.batch.commit import commit_batch
from worker.upkeep.compaction import compact
from worker.upkeep.own_fault import Faults

# Of 2,000 characters each, and each of them is escaped.
LONG_PATHS = 1_200
FREE_TEXTS = ("path", "event_type", "utm_source", "utm_medium", "utm_campaign")
# Of each second one, a bitmap is as large as it can be: two of them for each bit.
PART_NUMBERS = 2_000_000


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


def test_what_a_batch_appends_is_stored_in_several_rows_and_merged(
    small: Settings, engine: Engine
) -> None:
    """Of an hour, each event with values of its own for everything."""
    arrived = [
        make_event(
            n,
            site_id="a",
            timestamp=TODAY + n,
            user_id=f"user-{n}",
            **{name: f"{name}-{n}".ljust(200, "'") for name in FREE_TEXTS},
        )
        for n in range(4_000)
    ]
    commit(engine, "b", arrived)
    with engine.connect() as connection:
        limit = dialect_of(engine).max_value_bytes
        rows = connection.execute(select(pending_counts.c.batch_id, pending_counts.c.data)).all()
    assert limit is not None
    assert sum(len(row.data) for row in rows) > limit >= max(len(row.data) for row in rows)
    assert {"b"} < {row.batch_id for row in rows}
    assert differences(small) == []
    assert merge(engine) == 4_000
    assert differences(small) == []


def test_a_bitmap_that_no_packet_holds_is_named_and_the_rest_goes_on(
    small: Settings, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 100, days=1))
    with engine.begin() as connection:
        for part in range(5):
            users = BitMap(range(part * PART_NUMBERS, (part + 1) * PART_NUMBERS, 2))
            sets = {(TOTAL, TOTAL_KEY): users}
            row = {"site_id": "a", "bucket": TODAY - HOUR_MS, "batch_id": f"many-{part}"}
            connection.execute(recent_users.insert(), row | {"sets": encode_sets(sets)})
    faults = Faults("compaction")
    for _ in range(2):
        compact(engine, faults)
    with engine.connect() as connection:
        left = connection.execute(select(recent_users.c.site_id, recent_users.c.batch_id)).all()
    assert sorted(left) == [("a", f"many-{part}") for part in range(5)]
    (line,) = [record.getMessage() for record in caplog.records]
    for word in ("of site a", "users_by_hour", "max_allowed_packet"):
        assert word in line


def test_a_dead_letter_that_no_packet_holds_is_cut(engine: Engine) -> None:
    unreadable = b"\xc3\xa4" * SMALL_PACKET_BYTES
    good = make_batch("b", make_event(1)).payloads
    counts = commit_batch(engine, Batch("b", [unreadable, *good]), NOW)
    assert counts[Outcome.STORED, ""] == counts[Outcome.DEAD, ""] == 1
    with engine.connect() as connection:
        letter = connection.execute(select(dead_letters)).one()
    assert "max_allowed_packet" in letter.reason
    assert str(len(unreadable)) in letter.reason
    kept = base64.b64decode(letter.payload) if letter.is_base64 else letter.payload.encode()
    assert unreadable.startswith(kept)
    assert len(kept) > SMALL_PACKET_BYTES // 3
