"""The tables, as SQLAlchemy Core metadata. Migrations create them; a test holds the two together.

Times are milliseconds since 1970 UTC in a BIGINT: exact, and no zone of a server or session touches
them. Text compares byte for byte (`ExactText`), so that `/A`, `/a` and `/a ` are three paths. What
the rollups hold, and who may write them, is told in shared/counts/rollups.py.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
)

from shared.db.compressed import COMPRESSED
from shared.db.types import BigId, ExactText, KeyBytes, LongBytes, LongText
from shared.fields import MAX_EVENT_ID, MAX_NAME, MAX_TEXT, STORED, Field, Kind

# Of a dimension's name.
MAX_DIMENSION = 64
# Of a segment column's name: a dimension's, or `property:` and that of a property.
MAX_SEGMENT_COLUMN = 264
VALUE_KEY_BYTES = 16
PLACE_BYTES = 16
TAKER_BYTES = 8

# Outcome counters are spread over this many rows each, so that workers seldom wait for one another.
OUTCOME_SHARDS = 16

metadata = MetaData()


def event_column(field: Field) -> Column[Any]:
    """The column of a field that is stored."""
    types: dict[Kind, Any] = {Kind.MOMENT: BigInteger, Kind.OBJECT: JSON}
    if field.most is not None:
        types[Kind.TEXT] = ExactText(field.most)
    return Column(
        field.name,
        types[field.kind],
        primary_key=field.name in KEY_OF_EVENTS,
        nullable=not field.is_required,
        autoincrement=False,
    )


# The primary key is the order in which InnoDB stores the rows: a site's day is one contiguous
# range, and every range query of /stats reads just that.
KEY_OF_EVENTS = ("site_id", "timestamp", "event_id")
events = Table("events", metadata, *map(event_column, STORED), info=COMPRESSED)

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
# Not compressed: each batch writes pages all over the table, and of what is a week old it is empty.
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

# The sites that somebody has registered, with what is set for each as JSON; see
# shared/sites/settings.py. `sites` has counters of all that have events.
site_settings = Table(
    "site_settings",
    metadata,
    Column("site_id", ExactText(MAX_NAME), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("settings", LongText, nullable=False),
)

# Keys that callers have, of which only digests are kept, and their sites as JSON; see
# shared/keys/keys.py. Times are in ms. One that was revoked stays, for the record.
api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", ExactText(16), primary_key=True),
    Column("digest", ExactText(64), nullable=False),
    Column("kind", ExactText(16), nullable=False),
    Column("sites", LongText, nullable=False),
    Column("name", ExactText(MAX_NAME), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    # The one that it was rotated to.
    Column("successor", ExactText(16)),
    # Of a UTC day, at most; none is any number.
    Column("events_per_day", BigInteger),
)

# Whose each name is: of a site that is registered, its own and its aliases.
site_names = Table(
    "site_names",
    metadata,
    Column("name", ExactText(MAX_NAME), primary_key=True),
    Column("site_id", ExactText(MAX_NAME), nullable=False),
    # Serves: a site that is deleted, with all its names.
    Index("ix_site_names_site_id", "site_id"),
)

# The sites that are deleted with all they have, and those that were: of these, what arrived before
# that was done is still nobody's. Times are in ms; see worker/upkeep/erasing.py.
erasures = Table(
    "erasures",
    metadata,
    Column("site_id", ExactText(MAX_NAME), primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
    # How many were counted when it began, and how many of them the ledger has as erased by now.
    Column("events", BigInteger),
    Column("moved", BigInteger, nullable=False),
    Column("done_at", BigInteger),
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

# What became of the events of each batch, by site and day, until it is added up in `receipts`: one
# row a batch, or some where it has very many sites; see shared/counts/receipts.py.
batch_receipts = Table(
    "batch_receipts",
    metadata,
    Column("batch_id", ExactText(32), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("data", LongBytes, nullable=False),
)


def rollup(name: str, *columns: Column[Any], **options: Any) -> Table:
    """A table of small rows that is read in the order of its key, so it is stored in that order."""
    return Table(name, metadata, *columns, sqlite_with_rowid=False, **options)


def site_key() -> Column[str]:
    return Column("site_id", ExactText(MAX_NAME), primary_key=True)


def bucket_key() -> Column[int]:
    """When a bucket begins, in ms."""
    return Column("bucket", BigInteger, primary_key=True, autoincrement=False)


def dimension_key() -> Column[str]:
    return Column("dimension", ExactText(MAX_DIMENSION), primary_key=True)


def value_key() -> Column[bytes]:
    return Column("value_key", KeyBytes(VALUE_KEY_BYTES), primary_key=True)


# One row a site. Who takes numbers for its users locks it; see worker/counting/users.py.
sites = rollup(
    "sites",
    site_key(),
    # How many numbers of `users` are taken: 0 up to this, some of them by nobody.
    Column("users", BigInteger, nullable=False),
    Column("first_event", BigInteger, nullable=False),
    Column("last_event", BigInteger, nullable=False),
    # How often something of the site was made anew that is otherwise only added to.
    Column("rebuilds", BigInteger, nullable=False, server_default="0"),
)

# A small number for each user of a site: what bitmaps are made of.
users = rollup(
    "users",
    site_key(),
    Column("user_id", ExactText(MAX_NAME), primary_key=True),
    Column("number", BigInteger, nullable=False),
    info=COMPRESSED,
)

# What became of the events of a site that arrived on a UTC day, which begins at `day` in ms. Those
# that tell neither site nor day are under "", by the day on which they were read.
receipts = rollup(
    "receipts",
    site_key(),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("outcome", ExactText(32), primary_key=True),
    Column("reason", ExactText(64), primary_key=True),
    Column("events", BigInteger, nullable=False),
)

# The sum of all `receipts`: what `outcomes` has besides is from versions that write none.
receipt_totals = rollup(
    "receipt_totals",
    Column("outcome", ExactText(32), primary_key=True),
    Column("reason", ExactText(64), primary_key=True),
    Column("events", BigInteger, nullable=False),
)

# The text behind each `value_key`, which is its digest: a path is too long for a key in MySQL.
dimension_values = Table(
    "dimension_values",
    metadata,
    value_key(),
    Column("value", ExactText(MAX_TEXT), nullable=False),
)

events_by_minute = rollup(
    "events_by_minute",
    site_key(),
    bucket_key(),
    Column("event_type", ExactText(MAX_NAME), primary_key=True),
    Column("events", BigInteger, nullable=False),
    info=COMPRESSED,
)


def events_by(bucket: str) -> Table:
    """Events by site, bucket, dimension, value and type. A dimension's buckets of a range, with all
    its values, are contiguous."""
    return rollup(
        f"events_by_{bucket}",
        site_key(),
        dimension_key(),
        bucket_key(),
        value_key(),
        Column("event_type", ExactText(MAX_NAME), primary_key=True),
        Column("events", BigInteger, nullable=False),
        info=COMPRESSED,
    )


def users_by(bucket: str) -> Table:
    """Who was there, as a roaring bitmap of user numbers. A value's buckets are contiguous."""
    return Table(
        f"users_by_{bucket}",
        metadata,
        site_key(),
        dimension_key(),
        value_key(),
        bucket_key(),
        Column("bitmap", LongBytes, nullable=False),
        info=COMPRESSED,
    )


events_by_hour = events_by("hour")
events_by_day = events_by("day")
events_by_week = events_by("week")
users_by_hour = users_by("hour")
users_by_day = users_by("day")
users_by_week = users_by("week")

# Who was there, as batches of earlier versions brought it, until it is compacted.
recent_users = Table(
    "recent_users",
    metadata,
    site_key(),
    bucket_key(),
    Column("batch_id", ExactText(32), primary_key=True),
    Column("sets", LongBytes, nullable=False),
)

# What batches have stored and no rollup knows yet: one row a batch, site and hour (or some more,
# where it is too long for one), until it is merged; see shared/counts/pending.py.
pending_counts = Table(
    "pending_counts",
    metadata,
    site_key(),
    bucket_key(),
    Column("batch_id", ExactText(32), primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("views", BigInteger, nullable=False),
    Column("first_event", BigInteger, nullable=False),
    Column("last_event", BigInteger, nullable=False),
    # When, in ms of the worker's clock.
    Column("stored_at", BigInteger, nullable=False),
    Column("data", LongBytes, nullable=False),
    # Serves: all that asks how many there are, of a site or of all, without reading `data`.
    Index(
        "ix_pending_counts",
        "site_id",
        "bucket",
        "events",
        "views",
        "first_event",
        "last_event",
        "stored_at",
    ),
)

# Whoever merges, rebuilds or deletes what is counted of a site locks its row here first, so that
# one does so at a time. Batches do not: they only append.
site_locks = rollup("site_locks", site_key())

# Of which days of a site not everything is counted; see shared/counts/sparse.py.
sparse_days = rollup(
    "sparse_days",
    site_key(),
    bucket_key(),
    # How many events of it are counted, and what of them: shared.counts.sparse.Kept.
    Column("events", BigInteger, nullable=False),
    Column("kept", SmallInteger, nullable=False),
)

# Which events of a site's past are in `segment_columns`; see shared/counts/segments.py.
segments = rollup(
    "segments",
    site_key(),
    bucket_key(),
    # The first ms behind it.
    Column("until", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    # Of shared.counts.segments.COLUMNS: how many it was made with, and of how many it is known that
    # what it does not have is nobody's. The defaults are for versions that know of neither.
    Column("made_columns", Integer, nullable=False, server_default="12"),
    Column("known_columns", Integer, nullable=False, server_default="0"),
)

# The events of segments, column by column, each in as many parts as it takes: a server refuses what
# is too large for a statement, and TiDB for a row. A column's buckets are contiguous.
segment_columns = Table(
    "segment_columns",
    metadata,
    site_key(),
    Column("name", ExactText(MAX_SEGMENT_COLUMN), primary_key=True),
    bucket_key(),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("data", LongBytes, nullable=False),
    info=COMPRESSED,
)

# Which page views of a user in a second are kept, while more may come: worker/counting/bursts.py.
view_places = Table(
    "view_places",
    metadata,
    Column("place", KeyBytes(PLACE_BYTES), primary_key=True),
    # Which batch has it.
    Column("taker", KeyBytes(TAKER_BYTES), nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    # Serves: worker.periodic, which forgets places of seconds that are over.
    Index("ix_view_places_taken_at", "taken_at"),
)

# The same as batches of earlier versions keep it, in bitmaps of users.
views_by_second = Table(
    "views_by_second",
    metadata,
    site_key(),
    bucket_key(),
    # When the last of them arrived.
    Column("seen_at", BigInteger, nullable=False),
    Column("layers", LongBytes, nullable=False),
    # Serves: worker.periodic, which forgets seconds that are over.
    Index("ix_views_by_second_seen_at", "seen_at"),
)

# One row: raw events of any site older than this moment may be gone, while their rollups stay. Only
# earlier versions write it.
retention = Table(
    "retention",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("pruned_before", BigInteger, nullable=False),
)

# The same of one site; the later of the two moments holds. See shared/counts/pruned.py.
site_retention = Table(
    "site_retention",
    metadata,
    site_key(),
    Column("pruned_before", BigInteger, nullable=False),
)
