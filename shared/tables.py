"""The tables, as SQLAlchemy Core metadata. Migrations create them; a test holds the two together.

Times are milliseconds since 1970 UTC in a BIGINT: exact, and no zone of a server or session touches
them. Text compares byte for byte (`ExactText`), so that `/A`, `/a` and `/a ` are three paths.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

from shared.event import MAX_EVENT_ID, MAX_NAME, MAX_TEXT, MAX_USER_AGENT

# Outcome counters are spread over this many rows each, so that workers seldom wait for one another.
OUTCOME_SHARDS = 16

metadata = MetaData()


class ExactText(TypeDecorator[str]):
    """VARCHAR that compares byte for byte, trailing spaces included.

    MySQL's and MariaDB's `utf8mb4_bin` takes "a" and "a " for equal; their names for the collation
    that does not differ. SQLite compares so by itself.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        length = self.length
        if dialect.name not in {"mysql", "mariadb"}:
            return dialect.type_descriptor(String(length))
        is_mariadb = getattr(dialect, "is_mariadb", False)
        collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
        return dialect.type_descriptor(
            mysql.VARCHAR(length, charset="utf8mb4", collation=collation)
        )


# SQLite numbers rows by itself only in a column of type INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")
LongText = Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")

# The primary key is the order in which InnoDB stores the rows: a site's day is one contiguous
# range, and every range query of /stats reads just that.
events = Table(
    "events",
    metadata,
    Column("site_id", ExactText(MAX_NAME), primary_key=True),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", ExactText(MAX_EVENT_ID), primary_key=True),
    Column("event_type", ExactText(MAX_NAME), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("path", ExactText(MAX_TEXT)),
    Column("user_id", ExactText(MAX_NAME)),
    Column("session_id", ExactText(MAX_NAME)),
    Column("referrer", ExactText(MAX_TEXT)),
    Column("title", ExactText(MAX_TEXT)),
    Column("user_agent", ExactText(MAX_USER_AGENT)),
    Column("country", ExactText(2)),
    Column("utm_source", ExactText(MAX_NAME)),
    Column("utm_medium", ExactText(MAX_NAME)),
    Column("utm_campaign", ExactText(MAX_NAME)),
    Column("properties", JSON),
)

# One row a committed batch. Its primary key is what makes a redelivered batch a no-op.
batch_ledger = Table(
    "batch_ledger",
    metadata,
    Column("batch_id", ExactText(32), primary_key=True),
    Column("committed_at", BigInteger, nullable=False),
    # Serves: worker.periodic, which forgets old batches.
    Index("ix_batch_ledger_committed_at", "committed_at"),
)

# The idempotency keys of callers; `batch_id` tells who was first when two batches bring the same.
dedupe = Table(
    "dedupe",
    metadata,
    Column("site_id", ExactText(MAX_NAME), primary_key=True),
    Column("event_id", ExactText(MAX_EVENT_ID), primary_key=True),
    Column("batch_id", ExactText(32), nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    # Serves: worker.periodic, which forgets keys older than the window.
    Index("ix_dedupe_seen_at", "seen_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("batch_id", ExactText(32), nullable=False),
    Column("dead_at", BigInteger, nullable=False),
    Column("reason", ExactText(MAX_NAME), nullable=False),
    Column("payload", LongText, nullable=False),
    # True where `payload` is Base64, because its bytes were no text.
    Column("is_base64", Boolean, nullable=False),
    # An id that an operator has read must never come to mean another event.
    sqlite_autoincrement=True,
)

# What became of accepted events, ever: the right-hand side of the ledger equation.
outcomes = Table(
    "outcomes",
    metadata,
    Column("outcome", ExactText(32), primary_key=True),
    Column("reason", ExactText(64), primary_key=True),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
)
