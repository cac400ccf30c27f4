"""The host that shows an event's page."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Those of segments, with the one for this field.
KNOWN_COLUMNS = 13


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# MySQL and MariaDB commit the new column by itself, and add it at once, without a copy: killed
# behind it, this can run again. No event has a host before the workers are of this version, so
# every segment that is there now is right as it is: nobody has a value. What a periodic process of
# the version before makes from here on is not vouched for, and is made anew.
def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("events")}
    if "hostname" not in there:
        op.add_column("events", sa.Column("hostname", exact_text(255)))
    segments = sa.table("segments", sa.column("known_columns"))
    op.execute(sa.update(segments).values(known_columns=KNOWN_COLUMNS))


def downgrade() -> None:
    with op.batch_alter_table("events") as batch:
        batch.drop_column("hostname")
