"""A connection that is lost when it is given back is a line in the log, and no crash."""

import dataclasses
import logging
from typing import Any

import pymysql
import pytest
from sqlalchemy import Engine, text

from shared.db.database import prompt_engine, writing_engine
from shared.settings import Settings


@pytest.fixture(params=[writing_engine, prompt_engine])
def engine(request: pytest.FixtureRequest, settings: Settings, migrated_url: str) -> Any:
    engine = request.param(dataclasses.replace(settings, database_url=migrated_url))
    yield engine
    engine.dispose()


def test_it_is_told_in_a_line_and_the_next_is_opened_anew(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: object) -> None:
        raise pymysql.err.InterfaceError(0, "lost meanwhile")

    connection = engine.connect()
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(engine.dialect, "do_rollback", lost)
        fairy = connection.connection
        fairy.close()
    [record] = [record for record in caplog.records if record.name.startswith("sqlalchemy.pool")]
    assert "a connection to the database is given up: (0, 'lost meanwhile')" in record.getMessage()
    assert record.exc_info is None
    with engine.connect() as again:
        assert again.scalar(text("SELECT 1")) == 1
