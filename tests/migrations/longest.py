"""Rows with the longest keys there can be, of four bytes a character."""

from sqlalchemy import Engine, select

from shared.db.tables import MAX_DIMENSION, MAX_SEGMENT_COLUMN, metadata, segment_columns
from shared.fields import MAX_NAME

LONGEST = "\N{PILE OF POO}"


def check_longest_keys(engine: Engine) -> None:
    """They are stored, and found again by each character of theirs."""
    key = {"site_id": LONGEST * MAX_NAME, "bucket": 2**62}
    names = [LONGEST * MAX_SEGMENT_COLUMN, LONGEST * (MAX_SEGMENT_COLUMN - 1) + " "]
    with engine.begin() as connection:
        connection.execute(
            segment_columns.insert(),
            [{**key, "name": name, "part": 1, "data": b""} for name in names],
        )
        for name in names:
            found = select(segment_columns.c.name).where(segment_columns.c.name == name)
            assert connection.scalars(found).all() == [name]
        for bucket in ("hour", "day", "week"):
            of_value = {**key, "dimension": LONGEST * MAX_DIMENSION, "value_key": b"0" * 16}
            its_events = metadata.tables[f"events_by_{bucket}"]
            of_type = {**of_value, "event_type": LONGEST * MAX_NAME, "events": 1}
            connection.execute(its_events.insert(), of_type)
            its_users = metadata.tables[f"users_by_{bucket}"]
            connection.execute(its_users.insert(), {**of_value, "bitmap": b""})
