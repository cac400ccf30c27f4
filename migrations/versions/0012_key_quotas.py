"""How many events a key may bring in a day."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLE, COLUMN = "api_keys", "events_per_day"


def has_column() -> bool:
    return COLUMN in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(TABLE)}


# A column without a value, and nothing else: processes of the version before do not see it.
def upgrade() -> None:
    if not has_column():
        op.add_column(TABLE, sa.Column(COLUMN, sa.BigInteger))


# Keys have no such limit any more.
def downgrade() -> None:
    if has_column():
        op.drop_column(TABLE, COLUMN)
