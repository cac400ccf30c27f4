"""Sites that are registered, and the names that are theirs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NAME = 255
TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# New tables and nothing else: killed between them, this runs again.
def upgrade() -> None:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    if "site_settings" not in there:
        op.create_table(
            "site_settings",
            sa.Column("site_id", exact_text(NAME), primary_key=True),
            sa.Column("created_at", sa.BigInteger, nullable=False),
            sa.Column("changed_at", sa.BigInteger, nullable=False),
            sa.Column("revision", sa.Integer, nullable=False),
            sa.Column("settings", TEXT, nullable=False),
        )
    if "site_names" not in there:
        op.create_table(
            "site_names",
            sa.Column("name", exact_text(NAME), primary_key=True),
            sa.Column("site_id", exact_text(NAME), nullable=False),
            sa.Index("ix_site_names_site_id", "site_id"),
        )


# What is set for sites is lost with them; of what was counted, nothing.
def downgrade() -> None:
    op.drop_table("site_names")
    op.drop_table("site_settings")
