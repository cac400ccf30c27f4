"""The weeks that a database has."""

from typing import Any

from pyroaring import BitMap
from sqlalchemy import Engine, select

from shared.db.tables import events_by_week, users_by_week

Weeks = tuple[dict[Any, int], dict[Any, BitMap]]


def weeks_of(engine: Engine) -> Weeks:
    """Events and users by their keys."""
    with engine.connect() as connection:
        counted = {tuple(row[:-1]): row[-1] for row in connection.execute(select(events_by_week))}
        sets = {
            tuple(row[:-1]): BitMap.deserialize(row[-1])
            for row in connection.execute(select(users_by_week))
        }
    return counted, sets
