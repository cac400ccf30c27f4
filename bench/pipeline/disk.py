"""How much of the disk a database on MariaDB has, in bytes that are allocated."""

from pathlib import Path

from tests.servers import MariaDbServer

BLOCK_BYTES = 512
# What all databases of a server share: the log that undoes, and the server's own tables.
SHARED = ("ibdata*", "undo*")


def allocated(path: Path) -> int:
    return path.stat().st_blocks * BLOCK_BYTES


def table_bytes(server: MariaDbServer, url: str) -> dict[str, int]:
    """By table, with its indexes."""
    directory = server.directory / "data" / url.rpartition("/")[2]
    return {path.stem: allocated(path) for path in sorted(directory.glob("*.ibd"))}


def shared_bytes(server: MariaDbServer) -> int:
    data = server.directory / "data"
    return sum(allocated(path) for pattern in SHARED for path in data.glob(pattern))
