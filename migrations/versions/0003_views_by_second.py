"""How many page views users had in a second, for the rule against bursts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
INDEX = "ix_views_by_second_seen_at"


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# MySQL and MariaDB commit each statement by itself: a migration that was killed halfway must be
# able to run again, hence `if_not_exists`.
def upgrade() -> None:
    op.create_table(
        "views_by_second",
        sa.Column("site_id", exact_text(255), primary_key=True),
        sa.Column("bucket", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("layers", BYTES, nullable=False),
        if_not_exists=True,
    )
    op.create_index(INDEX, "views_by_second", ["seen_at"], if_not_exists=True)


def downgrade() -> None:
    op.drop_table("views_by_second")
