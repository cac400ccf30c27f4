"""Brings the database's tables, and what is counted in them, to the newest version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.exc import OperationalError

from footfall.preflight import check_database
from footfall.rollups import rebuild_missing
from shared.db.database import make_engine
from shared.db.schema import find_lack
from shared.errors import BadSetting
from shared.settings import Settings, masked

ALEMBIC_INI = Path(__file__).resolve().parent.parent / "alembic.ini"


def migrate(settings: Settings) -> None:
    """Raises BadSetting where the database cannot be migrated as it is, and Unavailable.

    Ends with rollups that are complete, also of events that are older than these tables; killed
    before, it goes on with them when it is run again.
    """
    check_database(settings, migrated=False)
    address = masked(settings.database_address)
    config = Config(str(ALEMBIC_INI), attributes={"settings": settings})
    try:
        command.upgrade(config, "head")
    except CommandError as error:  # the tables are of a version that is not known here
        raise BadSetting(f"DATABASE_URL: {address} is not of this Footfall: {error}") from error
    except OperationalError as error:  # no right to create tables, gone away, disk full
        raise BadSetting(f"DATABASE_URL: cannot migrate {address}: {error.orig}") from error
    check_migrated(settings)
    rebuild_missing(settings)


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
