"""How much of the disk a database on MariaDB has, in bytes that are allocated."""

from pathlib import Path

from tests.servers import MariaDbServer

BLOCK_BYTES = 512
# What all databases of a server share: the log that undoes, and the server's own tables.
SHARED = ("ibdata*", "undo*")


def allocated(path: Path) -> int:
    return path.stat().st_blocks * BLOCK_BYTES


def table_bytes(server: MariaDbServer, url: str) -> dict[str, int]:
    """By table, with its indexes, once the server has written all their pages."""
    database = url.rpartition("/")[2]
    paths = sorted((server.directory / "data" / database).glob("*.ibd"))
    tables = ", ".join(f"{database}.{path.stem}" for path in paths)
    server.execute(f"FLUSH TABLES {tables} FOR EXPORT")  # locked only while that connection lives
    return {path.stem: allocated(path) for path in paths}


def shared_bytes(server: MariaDbServer) -> int:
    data = server.directory / "data"
    return sum(allocated(path) for pattern in SHARED for path in data.glob(pattern))
