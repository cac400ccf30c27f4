"""A database that an earlier version has written: of revision 0004, with 140 events of the sites a
and b, some of their users compacted, and six segments."""

import gzip
from pathlib import Path

from sqlalchemy import Engine, MetaData, create_engine, func, select

from shared.db.driver_rows import driver_sql, insert_tuples
from tests.migration import migrate

REVISION = "0004"
# What the migrations up to that one run on.
DATABASES = ("sqlite", "mariadb")
PACKED = Path(__file__).with_name("data") / "footfall-0004.db.gz"


def unpack(path: Path) -> str:
    """Write the SQLite file there; returns its URL."""
    path.write_bytes(gzip.decompress(PACKED.read_bytes()))
    return f"sqlite:///{path}"


def copy_to(engine: Engine, path: Path) -> None:
    """Bring an empty database of any kind to that revision, with the same rows; `path` is where the
    file may be unpacked."""
    migrate(engine, REVISION)
    source = create_engine(unpack(path))
    tables = MetaData()
    tables.reflect(engine)
    with source.connect() as reading, engine.begin() as writing:
        for table in tables.tables.values():
            rows = reading.exec_driver_sql(driver_sql(reading.dialect, select(table))).all()
            writing.execute(table.delete())
            insert_tuples(writing, table.insert(), [tuple(row) for row in rows])
            assert writing.scalar(select(func.count()).select_from(table)) == len(rows)
    source.dispose()
