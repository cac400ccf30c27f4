"""The sites that are deleted with all their events, and those that were."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NAME = 255


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# A new table and nothing else.
def upgrade() -> None:
    if "erasures" in sa.inspect(op.get_bind()).get_table_names():
        return
    op.create_table(
        "erasures",
        sa.Column("site_id", exact_text(NAME), primary_key=True),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger),
        sa.Column("moved", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger),
    )


# What was being deleted stays as it is, and what was waiting in a spool comes back.
def downgrade() -> None:
    op.drop_table("erasures")
