"""A question that takes too long is given up by the database itself, of each kind."""

import dataclasses

import pytest
from sqlalchemy import text

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
