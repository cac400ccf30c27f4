"""Segments: the events of a site's past, column by column."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# MySQL and MariaDB commit each statement by itself: a migration that was killed halfway must be
# able to run again, hence `if_not_exists` and the look at the columns. Periodic work fills the
# tables.
def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("sites")}
    if "rebuilds" not in there:
        rebuilds = sa.Column("rebuilds", sa.BigInteger(), nullable=False, server_default="0")
        op.add_column("sites", rebuilds)
    op.create_table(
        "segments",
        sa.Column("site_id", exact_text(255), primary_key=True),
        sa.Column("bucket", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "segment_columns",
        sa.Column("site_id", exact_text(255), primary_key=True),
        sa.Column("name", exact_text(16), primary_key=True),
        sa.Column("bucket", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("data", BYTES, nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("segment_columns")
    op.drop_table("segments")
    with op.batch_alter_table("sites") as batch:
        batch.drop_column("rebuilds")
