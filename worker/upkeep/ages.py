"""For how long the raw events of each site are kept: as MAX_AGE says, or as its own setting."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Engine

from shared.clock import DAY_MS
from shared.db.database import translated_errors
from shared.db.dialects import dialect_of
from shared.sites.stored import fetch_sites


class Oldest(NamedTuple):
    """Before which moment, in ms, events are too old: of sites that have an age of their own, and
    of all others. None: they are kept for ever."""

    of_others: int | None
    of_site: Mapping[str, int | None]

    def of(self, site_id: str) -> int | None:
        return self.of_site.get(site_id, self.of_others)

    @property
    def keep_all(self) -> bool:
        return self.of_others is None and all(at is None for at in self.of_site.values())


def fetch_oldest(engine: Engine, now: int, max_age_days: int | None) -> Oldest:
    """As it is set now, where `now` is in ms. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        ages = {site.site_id: site.settings.raw_data_age for site in fetch_sites(connection)}
    return Oldest(
        oldest_kept(now, max_age_days),
        {site_id: oldest_kept(now, days) for site_id, days in ages.items() if days is not None},
    )


def earlier_clock(engine: Engine, now: int) -> int:
    """`now`, in ms of this machine's clock, or what the database's shows where that is earlier:
    what is deleted by a clock that is ahead is gone for good. Raises Unavailable."""
    with translated_errors(), engine.begin() as connection:
        shown = dialect_of(engine).fetch_now(connection)
    return now if shown is None else min(now, shown)


def oldest_kept(now: int, days: int | None) -> int | None:
    """The first ms of the first UTC day that has any time less than so many days before `now`; None
    where events are kept for ever, which is 0 days, too."""
    if not days:
        return None
    moment = now - days * DAY_MS
    return moment - moment % DAY_MS
