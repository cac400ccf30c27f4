"""The statements that SQLite and the MySQL family spell differently; nothing else may ask which."""

from sqlalchemy import Column, Connection, Insert, Table
from sqlalchemy.dialects import mysql, sqlite


def insert_ignoring_known(connection: Connection, table: Table) -> Insert:
    """INSERT that leaves out rows whose primary key is there already.

    MySQL's IGNORE would also hide a value that does not fit; what is inserted so was validated
    against the same bounds.
    """
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).prefix_with("IGNORE")


def insert_adding(connection: Connection, table: Table, column: Column[int]) -> Insert:
    """INSERT that, where the primary key is there already, adds to `column` instead."""
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(table)
        added = {column.name: column + statement.excluded[column.name]}
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=added)
    mysql_statement = mysql.insert(table)
    return mysql_statement.on_duplicate_key_update(
        {column.name: column + mysql_statement.inserted[column.name]}
    )
