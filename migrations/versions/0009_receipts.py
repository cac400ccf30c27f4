"""Receipts: what became of the events of each site and day, by batch and added up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NAME = 255
BATCH_ID = 32
OUTCOME = 32
REASON = 64
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


def outcome_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("outcome", exact_text(OUTCOME), primary_key=True),
        sa.Column("reason", exact_text(REASON), primary_key=True),
        sa.Column("events", sa.BigInteger, nullable=False),
    )


# New tables and nothing else: killed between them, this runs again. Workers of the version before
# write none; what they store is in the ledger only, and answers say how much that is.
def upgrade() -> None:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    if "batch_receipts" not in there:
        op.create_table(
            "batch_receipts",
            sa.Column("batch_id", exact_text(BATCH_ID), primary_key=True),
            sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("data", BYTES, nullable=False),
        )
    if "receipts" not in there:
        op.create_table(
            "receipts",
            sa.Column("site_id", exact_text(NAME), primary_key=True),
            sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
            *outcome_columns(),
            sqlite_with_rowid=False,
        )
    if "receipt_totals" not in there:
        op.create_table("receipt_totals", *outcome_columns(), sqlite_with_rowid=False)


# The ledger has all of it, by outcome: what is lost is which site and day.
def downgrade() -> None:
    op.drop_table("receipt_totals")
    op.drop_table("receipts")
    op.drop_table("batch_receipts")
