"""Whether a database has every table and column that is declared here, and which it lacks.

What it has besides is no fault: it may have been migrated by a newer version.
"""

from collections.abc import Callable

from sqlalchemy import Connection, Engine

from shared.db.database import (
    NOT_MIGRATED,
    Refused,
    check_connection,
    make_engine,
    translated_errors,
)
from shared.db.dialects import dialect_of
from shared.db.tables import metadata
from shared.errors import BadSetting, Unavailable
from shared.settings import Settings, masked

# For who only wants to start: a database that takes longer to answer is away.
PATIENCE_SECONDS = 5


def check_schema(engine: Engine) -> None:
    """Raises Unavailable where something is missing, or the database does not answer."""
    lack = find_lack(engine)
    if lack:
        raise Unavailable(NOT_MIGRATED, f"the database {lack}; run `make migrate`")


def require_schema(settings: Settings) -> None:
    """Raises BadSetting where something is missing, or the server refuses us: no restart would
    help. Raises Unavailable where it does not answer yet."""
    require(settings, check_schema)


def require_connection(settings: Settings) -> None:
    """The same, whatever is in the database."""
    require(settings, check_connection)


def require(settings: Settings, check: Callable[[Engine], None]) -> None:
    address = masked(settings.database_address)
    engine = make_engine(settings, PATIENCE_SECONDS)
    try:
        check(engine)
    except Refused as error:
        raise BadSetting(f"DATABASE_URL: cannot use {address}: {error}") from error
    except Unavailable as error:
        if error.code == NOT_MIGRATED:
            raise BadSetting(f"DATABASE_URL: {error}") from error
        sentence = f"DATABASE_URL: cannot use {address}: {error}"
        raise Unavailable(error.code, sentence) from error
    finally:
        engine.dispose()


def find_lack(engine: Engine) -> str:
    """What is missing, as in `the database lacks the table events`; empty where nothing is. Raises
    Unavailable."""
    with translated_errors(), engine.begin() as connection:
        return lack_of(connection)


def lack_of(connection: Connection) -> str:
    there = dialect_of(connection).fetch_columns(connection)
    known = {table for table, _ in there}
    tables = [name for name in metadata.tables if name not in known]
    if len(tables) == len(metadata.tables):
        return "has no tables yet"
    columns = [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if table.name in known and (table.name, column.name) not in there
    ]
    missing = [named("table", tables), named("column", columns)]
    return f"lacks {' and '.join(filter(None, missing))}" if any(missing) else ""


def named(what: str, names: list[str]) -> str:
    """`the table a`, or `the tables a, b`; empty for none."""
    if not names:
        return ""
    return f"the {what if len(names) == 1 else what + 's'} {', '.join(names)}"
