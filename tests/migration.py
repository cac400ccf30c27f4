"""A migrated database for tests that need its tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

ALEMBIC_INI = Path(__file__).parent.parent / "alembic.ini"


def migrate(engine: Engine, revision: str = "head", *, is_down: bool = False) -> None:
    """Bring a database up, or down as to `base`, on the engine's own connection."""
    config = Config(ALEMBIC_INI)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if is_down or revision == "base":
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)
