"""From when on the raw events of a site are kept, for each site by itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NAME = 255


def exact_text(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR that compares byte for byte; MariaDB and MySQL name that collation differently."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return sa.String(length)
    is_mariadb = getattr(dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)


# A new table and nothing else. The row of `retention` goes on to hold for all sites.
def upgrade() -> None:
    if "site_retention" in sa.inspect(op.get_bind()).get_table_names():
        return
    op.create_table(
        "site_retention",
        sa.Column("site_id", exact_text(NAME), primary_key=True),
        sa.Column("pruned_before", sa.BigInteger, nullable=False),
    )


# The versions before know one moment for all sites: the last is right for each of them.
def downgrade() -> None:
    bind = op.get_bind()
    one = sa.table("retention", sa.column("id"), sa.column("pruned_before"))
    each = sa.table("site_retention", sa.column("pruned_before"))
    last = bind.scalar(sa.select(sa.func.max(each.c.pruned_before)))
    known = bind.scalar(sa.select(one.c.pruned_before))
    if last is not None and known is None:
        bind.execute(sa.insert(one).values(id=1, pruned_before=last))
    elif last is not None and last > known:
        bind.execute(sa.update(one).values(pruned_before=last))
    op.drop_table("site_retention")
