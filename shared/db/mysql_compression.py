"""Whether a server of MySQL's protocol keeps tables compressed, and how it is told to.

MariaDB writes each page in as many blocks of the file system as it takes, and gives the others back
(holes). Where those cannot be had the table works as well, and takes the room it would take.
"""

from collections.abc import Mapping

# MariaDB's own, and what it depends on besides: a file for each table, of InnoDB.
ALGORITHM, FILE_PER_TABLE = "innodb_compression_algorithm", "innodb_file_per_table"
ENGINE = "default_storage_engine"
DECIDING = (ALGORITHM, FILE_PER_TABLE, ENGINE)

# Of zlib the lowest level takes half the time of the usual one, 6, and 6 % more room.
COMPRESSED = "PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=1"


def compression_of(variables: Mapping[str, str]) -> str:
    """What CREATE TABLE ends with, for pages to be compressed; empty where none can be."""
    is_able = (
        variables.get(ALGORITHM, "none") != "none"
        and variables.get(FILE_PER_TABLE) == "ON"
        and variables.get(ENGINE) == "InnoDB"
    )
    return COMPRESSED if is_able else ""
