"""Events, the batch ledger, idempotency keys, dead letters and outcome counters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# MySQL and MariaDB commit each CREATE by itself: a migration that was killed halfway must be able
# to run again, hence `if_not_exists`.
def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("site_id", exact_text(255), primary_key=True),
        sa.Column("timestamp", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("event_id", exact_text(64), primary_key=True),
        sa.Column("event_type", exact_text(255), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("path", exact_text(2048)),
        sa.Column("user_id", exact_text(255)),
        sa.Column("session_id", exact_text(255)),
        sa.Column("referrer", exact_text(2048)),
        sa.Column("title", exact_text(2048)),
        sa.Column("user_agent", exact_text(1024)),
        sa.Column("country", exact_text(2)),
        sa.Column("utm_source", exact_text(255)),
        sa.Column("utm_medium", exact_text(255)),
        sa.Column("utm_campaign", exact_text(255)),
        sa.Column("properties", sa.JSON()),
        if_not_exists=True,
    )
    op.create_table(
        "batch_ledger",
        sa.Column("batch_id", exact_text(32), primary_key=True),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        if_not_exists=True,
    )
    op.create_index(
        "ix_batch_ledger_committed_at", "batch_ledger", ["committed_at"], if_not_exists=True
    )
    op.create_table(
        "dedupe",
        sa.Column("site_id", exact_text(255), primary_key=True),
        sa.Column("event_id", exact_text(64), primary_key=True),
        sa.Column("batch_id", exact_text(32), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_dedupe_seen_at", "dedupe", ["seen_at"], if_not_exists=True)
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("batch_id", exact_text(32), nullable=False),
        sa.Column("dead_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", exact_text(255), nullable=False),
        sa.Column(
            "payload",
            sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb"),
            nullable=False,
        ),
        sa.Column("is_base64", sa.Boolean(), nullable=False),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "outcomes",
        sa.Column("outcome", exact_text(32), primary_key=True),
        sa.Column("reason", exact_text(64), primary_key=True),
        sa.Column("shard", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    for table in ("outcomes", "dead_letters", "dedupe", "batch_ledger", "events"):
        op.drop_table(table)
