"""What batches append to be merged, the locks of who merges, and places of views in a second."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = 255
BATCH_ID = 32
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
PLACE_BYTES = 16
TAKER_BYTES = 8
COUNTS = ("events", "views", "first_event", "last_event", "stored_at")


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


def key_bytes(length: int) -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary(length).with_variant(mysql.BINARY(length), "mysql", "mariadb")


# New tables and nothing else: killed between them, this runs again. What is in `recent_users` stays
# there, and is compacted as before; workers of the version before may go on to add to it.
def upgrade() -> None:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    if "pending_counts" not in there:
        op.create_table(
            "pending_counts",
            sa.Column("site_id", exact_text(NAME), primary_key=True),
            sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("batch_id", exact_text(BATCH_ID), primary_key=True),
            *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
            sa.Column("data", BYTES, nullable=False),
            sa.Index("ix_pending_counts", "site_id", "bucket", *COUNTS),
        )
    if "site_locks" not in there:
        op.create_table(
            "site_locks",
            sa.Column("site_id", exact_text(NAME), primary_key=True),
            sqlite_with_rowid=False,
        )
    if "view_places" not in there:
        op.create_table(
            "view_places",
            sa.Column("place", key_bytes(PLACE_BYTES), primary_key=True),
            sa.Column("taker", key_bytes(TAKER_BYTES), nullable=False),
            sa.Column("taken_at", sa.BigInteger, nullable=False),
            sa.Index("ix_view_places_taken_at", "taken_at"),
        )


# What is not merged would be lost: an earlier version counts nothing of it.
def downgrade() -> None:
    waiting = sa.select(sa.func.count()).select_from(sa.table("pending_counts"))
    if op.get_bind().scalar(waiting):
        raise RuntimeError(
            "pending_counts holds events that are not merged: let the periodic process of this "
            "version run until /pipeline/status says unmerged_events 0"
        )
    op.drop_table("view_places")
    op.drop_table("site_locks")
    op.drop_table("pending_counts")
