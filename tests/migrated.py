"""Databases that have all tables already: to create these takes longer than most tests.

On a server each is emptied behind a test and used for another one, unless the test has changed more
than its rows. A file is copied.
"""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pymysql

from shared.db.database import writing_engine
from shared.db.tables import metadata
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import SqlServer

COLUMNS = (
    "SELECT table_name, column_name, column_type, column_key FROM information_schema.columns "
    "WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
)
TRIGGERS = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
TABLES = [table.name for table in metadata.sorted_tables]
WITH_ROWS = " UNION ALL ".join(
    f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name} LIMIT 1)" for name in TABLES
)
LOCK_SECONDS = 2

Schema = list[tuple[object, ...]]


class MigratedDatabases:
    """Those of one server that no test uses now."""

    def __init__(self, server: SqlServer) -> None:
        self.server = server
        self.free: list[str] = []
        self.schema: Schema = []

    def take(self) -> str:
        """The URL of an empty one."""
        return self.free.pop() if self.free else self.make()

    def make(self) -> str:
        url = self.server.create_database()
        migrate_url(url)
        if not self.schema:
            with self.connect(url) as connection:
                self.schema = schema_of(connection)
        return url

    def give_back(self, url: str) -> None:
        self.server.revive()
        try:
            with self.connect(url) as connection:
                if schema_of(connection) == self.schema:
                    empty(connection)
                    self.free.append(url)
                    return
        except pymysql.err.MySQLError:  # a lock that somebody still holds, or a table that is gone
            pass
        self.server.drop_database(url)

    def connect(self, url: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        name = urlsplit(url).path.lstrip("/")
        lock = f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}"
        return pymysql.connect(
            host="127.0.0.1",
            port=self.server.port,
            user="root",
            database=name,
            init_command=lock,
            read_timeout=10 * LOCK_SECONDS,
        )


def schema_of(connection: "pymysql.Connection[pymysql.cursors.Cursor]") -> Schema:
    with connection.cursor() as cursor:
        found: Schema = []
        for statement in (COLUMNS, TRIGGERS):
            cursor.execute(statement)
            found += cursor.fetchall()
        return found


def empty(connection: "pymysql.Connection[pymysql.cursors.Cursor]") -> None:
    """Delete all rows; numbers that the server gives out begin at 1 again."""
    with connection.cursor() as cursor:
        cursor.execute(WITH_ROWS)
        for (name,) in cursor.fetchall():
            is_numbered = metadata.tables[name].autoincrement_column is not None
            cursor.execute(f"TRUNCATE TABLE {name}" if is_numbered else f"DELETE FROM {name}")
    connection.commit()


def migrate_url(url: str) -> None:
    engine = writing_engine(Settings(database_url=url))
    migrate(engine)
    engine.dispose()


class MigratedFile:
    """A SQLite file to be copied."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "migrated.db"

    def copy_to(self, path: Path) -> None:
        if not self.path.exists():
            migrate_url(f"sqlite:///{self.path}")
        shutil.copyfile(self.path, path)
