"""A site whose work fails is in no other site's way."""

import logging

import pytest
from sqlalchemy import Engine, func, select

from shared.clock import DAY_MS
from shared.db.tables import events, recent_users
from shared.settings import Settings
from tests.counted import commit, varied_events
from tests.events import NOW
from tests.refused import refuse
from tests.segmented import build_all, held
from worker.stopping import StopFlag
from worker.upkeep.compaction import compact
from worker.upkeep.retention import prune_events


def test_a_site_whose_segments_are_refused_leaves_the_others_theirs(
    engine: Engine, database_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 100))
    refuse(engine, "segments", "INSERT", "a")
    with caplog.at_level(logging.ERROR):
        assert build_all(database_settings, engine)
    assert held(engine, "a") == []
    assert held(engine, "b")
    assert "site a" in caplog.text
    assert "refused" in caplog.text


def test_a_site_whose_events_cannot_be_deleted_leaves_the_others_go(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 100))
    refuse(engine, "events", "DELETE", "b")
    with caplog.at_level(logging.ERROR):
        assert prune_events(engine, NOW + 30 * DAY_MS, 7, StopFlag())
    with engine.connect() as connection:
        left = select(events.c.site_id, func.count()).group_by(events.c.site_id)
        assert [site_id for site_id, _ in connection.execute(left)] == ["b"]
    assert caplog.text.count("site b") == 1


def test_a_site_whose_users_cannot_be_compacted_leaves_the_others_theirs(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    commit(engine, "b", varied_events(1, 100))
    refuse(engine, "users_by_day", "INSERT", "a")
    with caplog.at_level(logging.ERROR):
        assert compact(engine) > 0
    with engine.connect() as connection:
        waiting = connection.scalars(select(recent_users.c.site_id).distinct()).all()
    assert waiting == ["a"]
    assert caplog.text.count("site a") == 1
