"""Values written into SQL come back as they were, and no statement is longer than it may be."""

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, MetaData, Table, event, select

from shared.db.database import writing_engine
from shared.db.driver_rows import fetch_by_keys, insert_tuples
from shared.db.mysql_rows import MOST_BYTES, Literals, statements
from shared.db.types import ExactText, KeyBytes, LongBytes
from shared.settings import Settings

NASTY = list("'\"\\%\0\n\r\x1a ,()xs🙂")

nasty = Table(
    "nasty",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", ExactText(200)),
    Column("key", KeyBytes(16)),
    Column("data", LongBytes),
    Column("number", Integer),
)


@pytest.fixture(params=["mariadb", "oceanbase", "strange"])
def engine(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Engine]:
    of = {"mariadb": "mariadb_url", "oceanbase": "oceanbase_url", "strange": "strange_url"}
    url = request.getfixturevalue(of[request.param])
    engine = writing_engine(dataclasses.replace(settings, database_url=url))
    with engine.begin() as connection:
        nasty.create(connection)
    yield engine
    engine.dispose()


texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(NASTY), max_size=40)
values = st.tuples(
    st.none() | texts,
    st.none() | st.binary(min_size=16, max_size=16),
    st.none() | st.binary(max_size=40),
    st.none() | st.integers(-(2**31), 2**31 - 1),
)


@given(st.lists(values, min_size=1, max_size=20), st.booleans())
@tries(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_inserted_comes_back(engine: Engine, given: list[Any], is_repeated: bool) -> None:
    rows = [(n, *row) for n, row in enumerate(given * (3 if is_repeated else 1))]
    with engine.begin() as connection:
        connection.execute(nasty.delete())
        assert insert_tuples(connection, nasty.insert(), rows) == len(rows)
        assert sorted(map(tuple, connection.execute(select(nasty)))) == rows
        for number, name, key, *_ in rows:
            if name is not None and key is not None:
                by = (nasty.c.name, nasty.c.key)
                found = fetch_by_keys(connection, (nasty.c.id,), by, [(name, key)], "/* test */")
                assert (number,) in set(found)


def test_many_rows_are_one_statement(engine: Engine) -> None:
    sent = []
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        kept = type(cursor).execute

        def count(self: Any, query: Any, args: Any = None) -> Any:
            sent.append(query)
            return kept(self, query, args)

        type(cursor).execute = count  # type: ignore[method-assign, assignment]
        try:
            rows = [(n, "text", None, b"", n) for n in range(5000)]
            assert insert_tuples(connection, nasty.insert(), rows) == 5000
        finally:
            type(cursor).execute = kept  # type: ignore[method-assign]
    assert len(sent) == 1


def test_other_kinds_are_left_to_the_driver() -> None:
    literals = Literals(lambda value: f"<{value}>", has_escapes=True)
    assert literals.rows([(Decimal("1.5"), True, 1.5, None)]) == ["<1.5>,<True>,<1.5>,NULL"]


def test_a_backslash_is_written_as_the_server_reads_it() -> None:
    other = repr
    assert Literals(other, has_escapes=True).one("a\\'\0") == "'a\\\\\\'\\0'"
    assert Literals(other, has_escapes=False).one("a\\'\0") == "'a\\''\0'"


@pytest.mark.parametrize("most", [30, 31, 60, 100, 10_000, MOST_BYTES])
def test_statements_are_as_few_and_no_longer_than_they_may_be(most: int) -> None:
    rows = [f"'{'é' * n}'" for n in range(30)]
    made = list(statements("INSERT ", rows, " END", most))
    assert all(len(one) <= most or one.count(b"(") == 1 for one in made)
    inside = [one.decode().removeprefix("INSERT (").removesuffix(") END") for one in made]
    assert "),(".join(inside).split("),(") == rows
    assert most < 10_000 or len(made) == 1


def test_a_statement_that_is_split_changes_as_many_rows(engine: Engine) -> None:
    """The strange server takes no packet of more than 1 MiB."""
    rows = [(n, "x" * 200, None, bytes(5000), n) for n in range(600)]
    seen = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    with engine.begin() as connection:
        assert insert_tuples(connection, nasty.insert(), rows) == 600
        assert connection.scalar(select(nasty.c.number).where(nasty.c.id == 599)) == 599
    assert len(seen) == 2
