"""How Alembic reaches the database: on a connection that is handed in, or by the environment."""

from alembic import context
from sqlalchemy import Connection

from shared.db.database import MIGRATION_SECONDS, writing_engine
from shared.db.tables import metadata
from shared.settings import Settings


def run(connection: Connection) -> None:
    # SQLite cannot alter a table in place; batch mode copies it.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    settings = Settings.from_env()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # Takes SQLite's lock and a real transaction: a migration killed halfway leaves nothing behind.
    engine = writing_engine(settings, MIGRATION_SECONDS)
    with engine.begin() as connection:
        run(connection)
    engine.dispose()
