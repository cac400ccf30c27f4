"""A question that takes too long is given up, by the database itself where that is at work."""

import dataclasses
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from shared.db.database import reading_engine, translated_errors
from shared.errors import Unavailable
from shared.settings import Settings
from tests.oceanbase import is_oceanbase

# Minutes of work, and no row read.
ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e10) "
    "SELECT COUNT(*) FROM n",
    "mysql": "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, "
    "information_schema.columns c",
    # It reads the tables above on a clock of their own.
    "oceanbase": "SELECT BENCHMARK(100000000000, MD5('a'))",
}


def test_what_takes_too_long_is_given_up_and_the_next_question_answered(
    reporting_settings: Settings,
) -> None:
    engine = reading_engine(dataclasses.replace(reporting_settings, query_seconds=1))
    with engine.begin() as connection:
        endless = ENDLESS["oceanbase" if is_oceanbase(connection) else connection.dialect.name]
    with (
        pytest.raises(Unavailable) as caught,
        translated_errors(),
        engine.begin() as connection,
    ):
        connection.execute(text(endless))
    assert caught.value.code == "too_slow"
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


@pytest.fixture
def hasty(reporting_settings: Settings) -> Iterator[Engine]:
    """Its questions have two seconds."""
    engine = reading_engine(dataclasses.replace(reporting_settings, query_seconds=2))
    yield engine
    engine.dispose()


def ask(engine: Engine, statement: str, *, after_seconds: float) -> float:
    """Ask it in a question that has done something else before; returns how long it took."""
    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))
        time.sleep(after_seconds)
        asked_at = time.monotonic()
        with pytest.raises(Unavailable, match="QUERY_SECONDS"), translated_errors():
            connection.execute(text(statement))
        return time.monotonic() - asked_at


def test_all_that_a_question_does_has_one_deadline(hasty: Engine) -> None:
    for _ in range(2):
        ask(hasty, "SELECT 2", after_seconds=2.01)
        with hasty.begin() as connection:  # the next on this connection has all its time again
            assert connection.scalar(text("SELECT 3")) == 3


def test_the_next_statement_has_what_is_left(hasty: Engine) -> None:
    with hasty.begin() as connection:
        endless = ENDLESS["oceanbase" if is_oceanbase(connection) else connection.dialect.name]
    assert ask(hasty, endless, after_seconds=1.4) < 1.4
