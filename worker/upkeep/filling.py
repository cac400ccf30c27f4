"""Filling: sparse days that have far more events by now, or lose them soon, are counted in full;
see shared/counts/sparse.py. Each is rebuilt from its events, in a transaction of its own."""

import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, Engine

from shared.db.database import translated_errors
from worker.stopping import StopFlag
from worker.stored.extent import Covered
from worker.stored.sparse_days import Day, fetch_before, fetch_firsts
from worker.upkeep.ages import Oldest
from worker.upkeep.own_fault import Faults, own_fault
from worker.upkeep.rebuild import again, rebuild_day

# A run ends after this, so that other work gets its turn; the next one goes on.
BUDGET_SECONDS = 10.0

WORK = "filling sparse days"


def fill(
    reader: Engine,
    writer: Engine,
    find: Callable[[Connection], list[Day]],
    stopping: StopFlag,
    faults: Faults | None = None,
) -> None:
    """Rebuild the days that are found, as many as there is time for. Raises Unavailable."""
    faults = faults or Faults(WORK)
    deadline = time.monotonic() + BUDGET_SECONDS
    with translated_errors(), reader.begin() as connection:
        found = find(connection)
    for day in found:
        if time.monotonic() > deadline or stopping.is_set():
            return
        fill_day(reader, writer, day, faults)
    faults.end()


def fill_before(
    reader: Engine,
    writer: Engine,
    oldest: Oldest,
    stopping: StopFlag,
    faults: Faults | None = None,
) -> bool:
    """Count the sparse days whose events are too old in full, those that can be; False where time
    was up or a stop is requested before all were tried. Raises Unavailable."""
    faults = faults or Faults(WORK)
    deadline = time.monotonic() + BUDGET_SECONDS
    with translated_errors(), reader.begin() as connection:
        firsts = fetch_firsts(connection)
    for site_id, first in firsts:
        before = oldest.of(site_id)
        if before is None or first >= before:
            continue
        with translated_errors(), reader.begin() as connection:
            found = fetch_before(connection, site_id, before)
        for day in found:
            if time.monotonic() > deadline or stopping.is_set():
                return False
            fill_day(reader, writer, day, faults, in_full=True)
    faults.end()
    return True


def fill_day(
    reader: Engine, writer: Engine, day: Day, faults: Faults, *, in_full: bool = False
) -> bool:
    """Whether it could be done."""
    site_id, first = day
    attempt = partial(rebuild_day, reader, writer, site_id, first, Covered(), with_week=True)
    with own_fault(writer, partial(faults.note, site_id)):
        again(f"a day of {site_id}", partial(attempt, in_full=in_full))
        return True
    return False
