"""A migrated database for tests that need its tables."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from footfall.migrate import ALEMBIC_INI, bring_up


def migrate(engine: Engine, revision: str = "head", *, is_down: bool = False) -> None:
    """Bring a database up as `footfall migrate` does, or migration by migration to a revision (the
    newest is `heads`), or down as to `base`; on the engine's own connection."""
    with engine.begin() as connection:
        config = Config(ALEMBIC_INI, attributes={"connection": connection})
        if is_down or revision == "base":
            command.downgrade(config, revision)
        elif revision == "head":
            bring_up(connection)
        else:
            command.upgrade(config, revision)
