"""Of which days of a site not everything is counted, because they have few events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"
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


# A new table and nothing else. The days that there are have no row: they are counted in full.
def upgrade() -> None:
    if "sparse_days" not in sa.inspect(op.get_bind()).get_table_names():
        op.create_table(
            "sparse_days",
            sa.Column("site_id", exact_text(NAME), primary_key=True),
            sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("events", sa.BigInteger, nullable=False),
            sa.Column("kept", sa.SmallInteger, nullable=False),
            sqlite_with_rowid=False,
        )


# An earlier version counts these days in full, and would find them half empty.
def downgrade() -> None:
    sparse = sa.select(sa.func.count()).select_from(sa.table("sparse_days"))
    if op.get_bind().scalar(sparse):
        raise RuntimeError(
            "sparse_days has days whose values are not counted: run `footfall rebuild-rollups "
            "--in-full` of this version first"
        )
    op.drop_table("sparse_days")
