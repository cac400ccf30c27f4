"""The host that shows an event's page."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Those of segments, without and with the one for this field.
COLUMNS_BEFORE, COLUMNS = 12, 13

segments = sa.table("segments", sa.column("made_columns"), sa.column("known_columns"))
segment_columns = sa.table("segment_columns", sa.column("name"))


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# MySQL and MariaDB commit the new column by itself, and add it at once, without a copy: killed
# behind it, this can run again. Segments of which all is known were made before any event had a
# host, so nobody has a value. What a periodic process of the version before makes from now on, it
# vouches for nothing of (0): by then workers of this version may store hosts. It is made anew.
def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("events")}
    if "hostname" not in there:
        op.add_column("events", sa.Column("hostname", exact_text(255)))
    are_known = segments.c.known_columns == COLUMNS_BEFORE
    op.execute(sa.update(segments).where(are_known).values(known_columns=COLUMNS))


def downgrade() -> None:
    op.execute(sa.delete(segment_columns).where(segment_columns.c.name == "hostname"))
    has_more = segments.c.known_columns >= COLUMNS
    before = {"made_columns": COLUMNS_BEFORE, "known_columns": COLUMNS_BEFORE}
    op.execute(sa.update(segments).where(has_more).values(**before))
    with op.batch_alter_table("events") as batch:
        batch.drop_column("hostname")
