"""What of a MySQL server's is so small that it holds writing up."""

from collections.abc import Iterator

from sqlalchemy import Connection, bindparam, text

# Of InnoDB, by the variables that servers have for it. Every batch reads and writes pages all over
# the tables, and each page is written out before the log is full.
LEAST_BYTES = {
    "innodb_buffer_pool_size": 512 << 20,
    "innodb_log_file_size": 512 << 20,
    "innodb_redo_log_capacity": 512 << 20,
}
# Others list those variables too, and have nothing behind them.
INNODB = text("SHOW GLOBAL STATUS WHERE variable_name = 'Innodb_buffer_pool_pages_total'")
SIZES = text("SHOW GLOBAL VARIABLES WHERE variable_name IN :names").bindparams(
    bindparam("names", list(LEAST_BYTES), expanding=True)
)


def too_small(connection: Connection) -> Iterator[str]:
    """A sentence for each."""
    if not connection.execute(INNODB).all():
        return
    sizes = {name: int(value) for name, value in connection.execute(SIZES)}
    if sizes.get("innodb_redo_log_capacity"):  # in its place since MySQL 8.0.30
        sizes.pop("innodb_log_file_size", None)
    for name, size in sizes.items():
        if size < LEAST_BYTES[name]:
            least = LEAST_BYTES[name] >> 20
            yield f"{name} is {size >> 20} MiB; batches are stored faster with {least} or more"
