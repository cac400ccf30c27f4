"""Brings the database's tables, and what is counted in them, to the newest version.

An empty database gets the tables as they are declared; migrations, which know the databases of
their time only, run where there are tables already.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.exc import OperationalError

from footfall.preflight import check_database
from footfall.rollups import rebuild_missing
from shared.db.database import MIGRATION_SECONDS, make_engine, writing_engine
from shared.db.schema import find_lack, lack_of
from shared.db.tables import metadata
from shared.errors import BadSetting
from shared.settings import Settings, masked

ALEMBIC_INI = Path(__file__).resolve().parent.parent / "alembic.ini"
# Alembic's, with the revision in it.
VERSION_TABLE = "alembic_version"


def migrate(settings: Settings) -> None:
    """Raises BadSetting where the database cannot be migrated as it is, and Unavailable.

    Ends with rollups that are complete, also of events that are older than these tables; killed
    before, it goes on with them when it is run again.
    """
    check_database(settings, migrated=False)
    address = masked(settings.database_address)
    engine = writing_engine(settings, MIGRATION_SECONDS)
    try:
        # Takes SQLite's lock and a real transaction: killed halfway, nothing is left behind.
        with engine.begin() as connection:
            bring_up(connection)
    except CommandError as error:  # the tables are of a version that is not known here
        raise BadSetting(f"DATABASE_URL: {address} is not of this Footfall: {error}") from error
    except OperationalError as error:  # no right to create tables, gone away, disk full
        raise BadSetting(f"DATABASE_URL: cannot migrate {address}: {error.orig}") from error
    finally:
        engine.dispose()
    check_migrated(settings)
    rebuild_missing(settings)


def bring_up(connection: Connection) -> None:
    """Create all tables, or run the migrations that are missing."""
    config = Config(str(ALEMBIC_INI), attributes={"connection": connection})
    if is_to_be_created(connection):
        metadata.create_all(connection)
        # Last: most servers commit each table by itself, and who is killed before begins again.
        command.stamp(config, "head")
    else:
        command.upgrade(config, "head")


def is_to_be_created(connection: Connection) -> bool:
    """Whether there is nothing that a migration could change: no row, or all tables as they are
    declared, of which only the version was not written down."""
    if MigrationContext.configure(connection).get_current_heads():
        return False
    if not lack_of(connection):
        return True
    there = set(inspect(connection).get_table_names())
    own = [table for table in metadata.sorted_tables if table.name in there]
    # Where Alembic has begun, it was an older version, whose tables lack columns.
    if own and VERSION_TABLE in there:
        return False
    return not any(connection.scalar(select(func.count()).select_from(table)) for table in own)


def check_migrated(settings: Settings) -> None:
    """Raises BadSetting where something is missing all the same: somebody has dropped it."""
    engine = make_engine(settings)
    try:
        lack = find_lack(engine)
    finally:
        engine.dispose()
    if lack:
        address = masked(settings.database_address)
        raise BadSetting(
            f"DATABASE_URL: {address} says that it is migrated, but it {lack}; restore a backup"
        )
