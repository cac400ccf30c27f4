"""Rollups of events and users, and what visitors' browsers and referrers resolve to."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NEW_EVENT_COLUMNS = {"source": 255, "browser": 64, "os": 64, "device": 64}
KEY = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


def text_key(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, exact_text(length), primary_key=True)


def bucket_key() -> sa.Column[Any]:
    return sa.Column("bucket", sa.BigInteger(), primary_key=True, autoincrement=False)


def count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def create(name: str, *columns: sa.Column[Any], **options: Any) -> None:
    op.create_table(name, *columns, if_not_exists=True, **options)


# MySQL and MariaDB commit each statement by itself: a migration that was killed halfway must be
# able to run again, hence `if_not_exists` and the look at the columns.
def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("events")}
    for name, length in NEW_EVENT_COLUMNS.items():
        if name not in there:
            op.add_column("events", sa.Column(name, exact_text(length)))
    create(
        "sites",
        text_key("site_id", 255),
        count("users"),
        count("first_event"),
        count("last_event"),
        sqlite_with_rowid=False,
    )
    create(
        "users",
        text_key("site_id", 255),
        text_key("user_id", 255),
        count("number"),
        sqlite_with_rowid=False,
    )
    create(
        "dimension_values",
        sa.Column("value_key", KEY, primary_key=True),
        sa.Column("value", exact_text(2048), nullable=False),
    )
    create(
        "events_by_minute",
        text_key("site_id", 255),
        bucket_key(),
        text_key("event_type", 255),
        count("events"),
        sqlite_with_rowid=False,
    )
    for bucket in ("hour", "day", "week"):
        create(
            f"events_by_{bucket}",
            text_key("site_id", 255),
            text_key("dimension", 16),
            bucket_key(),
            sa.Column("value_key", KEY, primary_key=True),
            text_key("event_type", 255),
            count("events"),
            sqlite_with_rowid=False,
        )
        create(
            f"users_by_{bucket}",
            text_key("site_id", 255),
            text_key("dimension", 16),
            sa.Column("value_key", KEY, primary_key=True),
            bucket_key(),
            sa.Column("bitmap", BYTES, nullable=False),
        )
    create(
        "recent_users",
        text_key("site_id", 255),
        bucket_key(),
        text_key("batch_id", 32),
        sa.Column("sets", BYTES, nullable=False),
    )
    create(
        "retention",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        count("pruned_before"),
    )


def downgrade() -> None:
    for table in (
        "retention",
        "recent_users",
        "users_by_week",
        "events_by_week",
        "users_by_day",
        "events_by_day",
        "users_by_hour",
        "events_by_hour",
        "events_by_minute",
        "dimension_values",
        "users",
        "sites",
    ):
        op.drop_table(table)
    with op.batch_alter_table("events") as batch:
        for name in NEW_EVENT_COLUMNS:
            batch.drop_column(name)
