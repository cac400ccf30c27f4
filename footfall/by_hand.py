"""The numbers of `/stats` as SQL over `events` alone, for whoever checks one in a client of the
database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Select, and_, distinct, func, select

from footfall.preflight import check_database
from footfall.rollups import opened, part_from, patient_reader
from shared.clock import iso_from_ms
from shared.db.database import translated_errors
from shared.db.driver_rows import plain_sql
from shared.db.tables import events
from shared.errors import InvalidInput
from shared.event import PAGE_VIEW
from shared.settings import Settings
from worker.stored.extent import Part, fetch_pruned_before

TOP_PATHS = 10


def explain(
    settings: Settings, site_id: str | None, first: datetime | None, last: datetime | None
) -> str:
    """What to ask the API and the database for, of the UTC days from the first to the last. Raises
    BadSetting, InvalidInput and Unavailable."""
    if site_id is None or first is None or last is None:
        raise InvalidInput("missing_field", "--sql needs --site, --from and --to")
    part = part_from(site_id, first, last)
    check_database(settings, migrated=True)
    with (
        opened(patient_reader(settings)) as reader,
        translated_errors(),
        reader.begin() as connection,
    ):
        check_not_pruned(part, fetch_pruned_before(connection, site_id))
        written = {name: plain_sql(connection, s) for name, s in statements(part).items()}
    asked = {"site_id": site_id, "from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}"}
    parts = [f"-- /stats?{urlencode(asked)}"]
    parts += [f"-- {name}\n{sql};" for name, sql in written.items()]
    return "\n\n".join(parts)


def check_not_pruned(part: Part, pruned_before: int | None) -> None:
    if pruned_before is not None and part.start < pruned_before:
        day = iso_from_ms(pruned_before)[:10]
        raise InvalidInput(
            "pruned", f"events before {day} may have been deleted for their age: ask from {day} on"
        )


def statements(part: Part) -> Mapping[str, Select[*tuple[Any, ...]]]:
    """By the name that the API has for what each tells."""
    at = events.c.timestamp
    among = and_(events.c.site_id == part.site_id, at >= part.start, at < part.end)
    is_view = events.c.event_type == PAGE_VIEW
    views = func.count().label("views")
    return {
        "total_views": select(func.count().label("total_views"))
        .select_from(events)
        .where(among, is_view),
        "unique_users": select(func.count(distinct(events.c.user_id)).label("unique_users")).where(
            among
        ),
        "top_paths": select(events.c.path, views)
        .where(among, is_view, events.c.path.is_not(None))
        .group_by(events.c.path)
        .order_by(views.desc(), events.c.path)
        .limit(TOP_PATHS),
    }
