"""Weeks that hold what their days hold, longer names, and what segments were made of.

The tables of weeks came into 0002 after it had landed: databases from before say that they are of
0004, and lack them.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from alembic import op
from pyroaring import BitMap
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")

WEEKS = ("events_by_week", "users_by_week")
# Where they are made, if they are missing.
NEW_WEEKS = ("new_events_by_week", "new_users_by_week")
DIMENSION = 64
# `property:` and the longest name of a property.
SEGMENT_COLUMN = 264
# InnoDB's keys end at 3,072 bytes, 4 of them a character. That of `events_by_week`, the longest:
# 4 * (255 + 64 + 255) + 8 + 16 = 2,320. That of `segment_columns`: 4 * (255 + 264) + 8 + 4 = 2,088.
LENGTHS = {
    **{
        (f"{what}_by_{bucket}", "dimension"): DIMENSION
        for what in ("events", "users")
        for bucket in ("hour", "day", "week")
    },
    ("segment_columns", "name"): SEGMENT_COLUMN,
}
# The columns of each segment that was made before there was a way to tell.
FIRST_COLUMNS = 12

WEEK_MS = 7 * 86_400_000
# 1970 began on a Thursday.
FIRST_MONDAY = 4 * 86_400_000
TOTAL = ""
# A bitmap has some kB, and of a day with millions of users a MB: some of them fit into memory.
PAGE_ROWS = 200

sites = sa.table("sites", sa.column("site_id", sa.String))
segments = sa.table("segments", sa.column("site_id", sa.String), sa.column("known_columns"))


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


# MySQL and MariaDB commit each change of a table by itself, and what is counted here site by site:
# killed at any line, this can run again, and goes on. SQLite has all of it in one transaction, and
# nobody else writes meanwhile. On MariaDB others may be at work, of the version before this:
#
# - Batches lock their site, and then add to hours, days and weeks. Where weeks are missing they
#   fail, as before, and are tried again; from the moment when there are some, days and weeks of a
#   site are raised together: before its weeks are compared here, behind the same lock, or after.
# - Compaction, and a rebuild of a site's days, hold that lock too. A rebuild that is between two
#   days of a week makes the week anew at its end.
# - A worker from before there were weeks knows none to raise. What it stores after its site's turn
#   is missing there, until `footfall rebuild-rollups`: hence such workers are stopped first.
# - Pruning deletes raw events, which nothing here is made of.
# - Reporting is told that a table is missing, until the tables have all: they are filled under
#   another name. Weeks that are made anew in place it sees before or after, not in between.
# - The periodic process makes segments with what is known by default, nothing. Here those get what
#   is true of them; one that comes later is looked at again by a version that knows more columns.
def upgrade() -> None:
    lengthen_names()
    add_columns_of_segments()
    if not set(WEEKS) <= there():
        make_weeks()
    for site_id in locked_sites():
        mend_weeks(site_id, *WEEKS)
        segments_of_site = sa.update(segments).where(segments.c.site_id == site_id)
        unknown = segments_of_site.where(segments.c.known_columns == 0)
        op.get_bind().execute(unknown.values(known_columns=FIRST_COLUMNS))


def there() -> set[str]:
    return set(sa.inspect(op.get_bind()).get_table_names())


def columns_of(table: str) -> dict[str, Any]:
    """The types of a table's columns."""
    found = sa.inspect(op.get_bind()).get_columns(table)
    return {column["name"]: column["type"] for column in found}


# SQLite holds no text to the length of its column, and to write another one down would mean to copy
# the table. MariaDB changes it at once, in place: 16 characters have at most 127 bytes, so each
# value's length is in one byte before and after. MySQL copies the table where the bound goes beyond
# 255 bytes, as it does here, and batches wait meanwhile.
def lengthen_names() -> None:
    if is_sqlite():
        return
    tables = there()
    for (table, column), length in LENGTHS.items():
        if table not in tables:  # weeks that are still to be made
            continue
        has = columns_of(table)[column].length
        if has < length:
            op.alter_column(
                table,
                column,
                existing_type=exact_text(has),
                type_=exact_text(length),
                existing_nullable=False,
            )


def add_columns_of_segments() -> None:
    """Of how many columns each was made, and of how many it is known what they hold. The defaults
    are for what a version makes that knows of neither."""
    has = columns_of("segments")
    for name, default in (("made_columns", FIRST_COLUMNS), ("known_columns", 0)):
        if name not in has:
            new = sa.Column(name, sa.Integer(), nullable=False, server_default=str(default))
            op.add_column("segments", new)


def locked_sites() -> Iterator[str]:
    """Each site, its row locked until the next one is asked for. The lock comes first in its
    transaction: whatever is read behind it has all that was committed before."""
    bind = op.get_bind()
    found = sa.union(sa.select(sites.c.site_id), sa.select(segments.c.site_id))
    site_ids = sorted(bind.scalars(found))
    end_transaction()
    for site_id in site_ids:
        row = sa.select(sites.c.site_id).where(sites.c.site_id == site_id)
        bind.execute(row.with_for_update()).all()
        yield site_id
        end_transaction()


def end_transaction() -> None:
    if not is_sqlite():
        op.execute("COMMIT")


def make_weeks() -> None:
    """Both tables, with all that the days hold. One that is there without the other goes: of its
    own it has nothing."""
    create_weeks(*NEW_WEEKS)
    for site_id in locked_sites():
        mend_weeks(site_id, *NEW_WEEKS)
    for name in WEEKS:
        op.drop_table(name, if_exists=True)
    if is_sqlite():
        for new, name in zip(NEW_WEEKS, WEEKS, strict=True):
            op.rename_table(new, name)
    else:  # both at one moment
        op.execute(
            "RENAME TABLE new_events_by_week TO events_by_week, new_users_by_week TO users_by_week"
        )


def create_weeks(events_name: str, users_name: str) -> None:
    op.create_table(
        events_name,
        sa.Column("site_id", exact_text(255), primary_key=True),
        sa.Column("dimension", exact_text(DIMENSION), primary_key=True),
        sa.Column("bucket", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("value_key", KEY, primary_key=True),
        sa.Column("event_type", exact_text(255), primary_key=True),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        users_name,
        sa.Column("site_id", exact_text(255), primary_key=True),
        sa.Column("dimension", exact_text(DIMENSION), primary_key=True),
        sa.Column("value_key", KEY, primary_key=True),
        sa.Column("bucket", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("bitmap", BYTES, nullable=False),
        if_not_exists=True,
    )


def events_table(name: str) -> sa.TableClause:
    names = ("site_id", "dimension", "bucket", "value_key", "event_type", "events")
    return sa.table(name, *map(sa.column, names))


def users_table(name: str) -> sa.TableClause:
    return sa.table(
        name,
        *map(sa.column, ("site_id", "dimension")),
        sa.column("value_key", sa.LargeBinary),
        sa.column("bucket"),
        sa.column("bitmap", sa.LargeBinary),
    )


def mend_weeks(site_id: str, events_name: str, users_name: str) -> None:
    """Make a site's weeks of its days, where the two do not tell the same. It must be locked.

    Compaction moves users into days and weeks at once, and here they are written with the events:
    they need no look of their own, but for a table that has none at all.
    """
    bind = op.get_bind()
    days, users_by_day = events_table("events_by_day"), users_table("users_by_day")
    weeks, users_by_week = events_table(events_name), users_table(users_name)
    lacks_users = has_any(users_by_day, site_id) and not has_any(users_by_week, site_id)
    if total(weeks, site_id) == total(days, site_id) and not lacks_users:
        return
    for table in (weeks, users_by_week):
        bind.execute(sa.delete(table).where(table.c.site_id == site_id))
    for dimension in dimensions_of(days, site_id):
        add_events(site_id, dimension, days, weeks)
    for dimension in dimensions_of(users_by_day, site_id):
        cells = weeks_of_users(site_id, dimension, users_by_day)
        while some := list(islice(cells, PAGE_ROWS)):
            bind.execute(sa.insert(users_by_week), some)


def has_any(table: sa.TableClause, site_id: str) -> bool:
    one = sa.select(table.c.site_id).where(table.c.site_id == site_id).limit(1)
    return op.get_bind().scalar(one) is not None


def total(table: sa.TableClause, site_id: str) -> int:
    of_site = (table.c.site_id == site_id, table.c.dimension == TOTAL)
    return int(op.get_bind().scalar(sa.select(sa.func.sum(table.c.events)).where(*of_site)) or 0)


def dimensions_of(table: sa.TableClause, site_id: str) -> Iterator[str]:
    """One after the other along the key: to look at every row would be to read every bitmap."""
    column = table.c.dimension
    first = sa.select(column).where(table.c.site_id == site_id).order_by(column).limit(1)
    dimension = op.get_bind().scalar(first)
    while dimension is not None:
        yield dimension
        dimension = op.get_bind().scalar(first.where(column > dimension))


def add_events(site_id: str, dimension: str, days: sa.TableClause, weeks: sa.TableClause) -> None:
    """The server adds them up: they may be millions."""
    # A remainder has the sign of what is divided, and 1970 had days before its first Monday.
    beyond = (days.c.bucket - FIRST_MONDAY) % WEEK_MS
    week = days.c.bucket - (beyond + WEEK_MS) % WEEK_MS
    counted = (
        sa.select(
            sa.literal(site_id),
            sa.literal(dimension),
            week,
            days.c.value_key,
            days.c.event_type,
            sa.func.sum(days.c.events),
        )
        .where(days.c.site_id == site_id, days.c.dimension == dimension)
        .group_by(week, days.c.value_key, days.c.event_type)
    )
    op.get_bind().execute(sa.insert(weeks).from_select(list(weeks.c.keys()), counted))


def weeks_of_users(
    site_id: str, dimension: str, users_by_day: sa.TableClause
) -> Iterator[dict[str, Any]]:
    """Rows of `users_by_week`: who was there, by value and week."""
    rows = rows_of(site_id, dimension, users_by_day)
    for (value_key, week), of_week in groupby(rows, lambda row: (row[0], week_of(row[1]))):
        members = BitMap()
        for _, _, bitmap in of_week:
            # Bytes that are no bitmap are nobody's; `footfall verify` names them.
            with suppress(ValueError, IndexError):
                members |= BitMap.deserialize(bitmap)
        if members:
            members.run_optimize()
            yield {
                "site_id": site_id,
                "dimension": dimension,
                "value_key": value_key,
                "bucket": week,
                "bitmap": members.serialize(),
            }


def rows_of(
    site_id: str, dimension: str, users_by_day: sa.TableClause
) -> Iterator[tuple[bytes, int, bytes]]:
    """value_key, bucket and bitmap along the key, a page at a time."""
    key, bucket = users_by_day.c.value_key, users_by_day.c.bucket
    statement = (
        sa.select(key, bucket, users_by_day.c.bitmap)
        .where(users_by_day.c.site_id == site_id, users_by_day.c.dimension == dimension)
        .order_by(key, bucket)
        .limit(PAGE_ROWS)
    )
    page = op.get_bind().execute(statement).all()
    while page:
        yield from map(tuple, page)
        last_key, last_bucket, _ = page[-1]
        # The bound by itself is what the servers seek by.
        behind = (key >= last_key, sa.or_(key > last_key, bucket > last_bucket))
        page = op.get_bind().execute(statement.where(*behind)).all()


def week_of(day: int) -> int:
    """The first ms of the week, from Monday."""
    return day - (day - FIRST_MONDAY) % WEEK_MS


# Names stay as long as they may be, and weeks as they are: nothing before this minds.
def downgrade() -> None:
    with op.batch_alter_table("segments", table_kwargs={"sqlite_with_rowid": False}) as batch:
        batch.drop_column("known_columns")
        batch.drop_column("made_columns")
