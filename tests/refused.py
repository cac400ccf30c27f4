"""A database that refuses one site's rows, and a server that takes small packets only."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from shared.db.dialects import dialect_of
from tests.servers import SqlServer

SMALL_PACKET_BYTES = 1 << 20


def refuse(engine: Engine, table: str, change: str, site_id: str, also: str = "") -> None:
    """Let each INSERT or DELETE of such a row fail, if `also` holds for it."""
    row = "NEW" if change == "INSERT" else "OLD"
    begins = f"CREATE TRIGGER refuse_{table} BEFORE {change} ON {table} FOR EACH ROW"
    is_site = f"{row}.site_id = '{site_id}'" + (also and f" AND {also}")
    on_file = f"{begins} WHEN {is_site} BEGIN SELECT RAISE(ABORT, 'refused'); END"
    on_server = (
        f"{begins} IF {is_site} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF"
    )
    with engine.begin() as connection:
        is_file = dialect_of(connection).kind == "sqlite"
        connection.exec_driver_sql(on_file if is_file else on_server)


@contextmanager
def small_packets(server: SqlServer) -> Iterator[None]:
    """For whoever connects meanwhile."""
    server.execute(f"SET GLOBAL max_allowed_packet = {SMALL_PACKET_BYTES}")
    try:
        yield
    finally:
        server.execute("SET GLOBAL max_allowed_packet = DEFAULT")
