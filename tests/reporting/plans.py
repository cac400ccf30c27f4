"""How a database goes about a statement: what it says it will read, and what it did read."""

from typing import Any

from sqlalchemy import Connection, Select

Statement = Select[*tuple[Any, ...]]


def literal(connection: Connection, statement: Statement) -> str:
    """The statement as the driver takes it, with its values in it."""
    return str(
        statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    )


def rows_read(connection: Connection, statement: Statement) -> int:
    """Rows that MariaDB's tables and indexes handed out for a statement."""
    connection.exec_driver_sql("FLUSH STATUS")
    connection.execute(statement).all()
    counters = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(row[1]) for row in counters)


def check_oceanbase(connection: Connection, statement: Statement, most: int) -> None:
    """It means to read so many rows of each table at most, in ranges of the key or one by one."""
    explained = connection.exec_driver_sql(f"EXPLAIN {literal(connection, statement)}")
    plan = explained.scalars().all()
    scans = [line.split("|") for line in plan if line.startswith("|") and "TABLE" in line]
    assert scans, plan
    for _, _number, operator, _table, rows, *_ in scans:
        assert "TABLE RANGE SCAN" in operator or "TABLE GET" in operator, plan
        assert int(rows) <= most, plan
