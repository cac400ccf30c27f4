"""Rollups for the operator: rebuild them from the events, or compare the two."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import click
from sqlalchemy import Engine, func, select

from footfall.preflight import check_database
from footfall.verify_progress import Progress, ProgressFile
from shared.clock import DAY_MS, HOUR_MS, iso_from_ms
from shared.counts.rollups import TOTAL
from shared.db.database import reading_engine, translated_errors, writing_engine
from shared.db.tables import events, events_by_day
from shared.errors import InvalidInput
from shared.settings import Settings
from worker.stored.extent import Covered, Days, Part, find_days, find_sites
from worker.stored.key_order import values_of
from worker.stored.site_rows import is_behind
from worker.upkeep.rebuild import rebuild
from worker.verify.verify import Verified, verify

log = logging.getLogger("footfall")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ERASE_LINE = "\r\033[K"
# Between lines that say how far it is, where there is no bar.
LINE_SECONDS = 10.0
PATIENCE_SECONDS = 86_400
# Of an age.
UNITS_MS = {"h": HOUR_MS, "d": DAY_MS}

Say = Callable[[str], None]


def rebuild_rollups(settings: Settings, part: Part, *, in_full: bool = False) -> str:
    """Rebuild, `in_full` also the values of days with few events; returns what was done. Raises
    BadSetting, InvalidInput and Unavailable."""
    check_database(settings, migrated=True)
    with opened(patient_reader(settings)) as reader:
        days = days_in(reader, part)
    rebuilt = run_rebuild(settings, days, say_aside, are_all=part.has_all_days, in_full=in_full)
    left_out = pruned(rebuilt)
    if left_out and not rebuilt.days and not part.has_all_days:
        raise InvalidInput("pruned", f"nothing is rebuilt: {left_out}")
    return with_left_out(f"{extent(rebuilt)}: rebuilt", left_out)


def rebuild_missing(settings: Settings) -> None:
    """Count the events of a database from before there were rollups. Raises Unavailable."""
    with opened(patient_reader(settings)) as reader:
        days: Days = {}
        for site_id in sites_behind(reader):
            days |= find_days(reader, Part(site_id))
    if days:
        log.info("counting the events that were stored before there were rollups")
        rebuilt = run_rebuild(settings, days, log.info, are_all=True)
        log.info("%s: counted", extent(rebuilt))


def verify_rollups(settings: Settings, part: Part | None) -> tuple[bool, str]:
    """Print what differs; returns whether nothing does, and what was compared. Without a part, goes
    on with the one that was stopped.

    Raises BadSetting, InvalidInput and Unavailable.
    """
    check_database(settings, migrated=True)
    kept = ProgressFile(settings)
    made = kept.load() if part is None else Progress(part, Verified())
    part, verified = made.part, made.verified
    with opened(patient_reader(settings)) as reader:
        site_ids = sites_in(reader, part)
        total = count_rolled_up(reader, site_ids, part)
        with progress(total, "events", say_aside) as move:

            def is_over(_: Verified) -> bool:
                move(verified.events)
                kept.save(made)
                return False

            verify(reader, part, say=say_difference, verified=verified, is_over=is_over)
    kept.forget()
    number = verified.differences
    found = "no difference" if not number else counted(number, "difference")
    return not number, with_left_out(f"{extent(verified)}: {found}", pruned(verified))


def part_since(site_id: str | None, when: str, now: int) -> Part:
    """The UTC days from that of WHEN on: a day, a moment, or so many hours or days before `now`, in
    ms. Raises InvalidInput."""
    number, unit = when[:-1], UNITS_MS.get(when[-1:])
    try:
        if unit is not None and number.isdecimal():
            start = now - int(number) * unit
        else:
            moment = datetime.fromisoformat(when)
            start = midnight_ms(moment if moment.tzinfo is None else moment.astimezone(UTC))
    except ValueError as error:
        raise InvalidInput(
            "bad_since", f"--since {when}: give a UTC day as 2025-11-15, a moment, or an age as 36h"
        ) from error
    return Part(site_id, start=max(0, start - start % DAY_MS))


def part_from(site_id: str | None, first: datetime | None, last: datetime | None) -> Part:
    """The days from the first to the last, both included. Raises InvalidInput."""
    if first and last and first > last:
        raise InvalidInput("bad_range", "--from is after --to")
    part = Part(site_id)
    if first:
        part = replace(part, start=midnight_ms(first))
    if last:
        part = replace(part, end=midnight_ms(last) + DAY_MS)
    return part


def midnight_ms(day: datetime) -> int:
    return (day.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


def patient_reader(settings: Settings) -> Engine:
    """Reporting gives a question up after QUERY_SECONDS; to compare a large day takes longer."""
    return reading_engine(replace(settings, query_seconds=PATIENCE_SECONDS))


@contextmanager
def opened(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


def days_in(reader: Engine, part: Part) -> Days:
    sites_in(reader, part)
    return find_days(reader, part)


def sites_in(reader: Engine, part: Part) -> list[str]:
    found = find_sites(reader, part.site_id)
    if part.site_id is not None and not found:
        raise InvalidInput(
            "unknown_site", f"site {part.site_id!r}: it has neither events nor counts"
        )
    return found


def sites_behind(reader: Engine) -> list[str]:
    with translated_errors(), reader.begin() as connection:
        found = values_of(connection, events.c.site_id)
        return [site_id for site_id in found if is_behind(connection, site_id)]


def count_rolled_up(reader: Engine, site_ids: list[str], part: Part) -> int:
    """How many events there are, as the rollups have it."""
    of = events_by_day.c
    counts = select(func.sum(of.events)).where(
        of.dimension == TOTAL, of.bucket >= part.start, of.bucket < part.end
    )
    with translated_errors(), reader.begin() as connection:
        return sum(
            int(connection.scalar(counts.where(of.site_id == site_id)) or 0) for site_id in site_ids
        )


def run_rebuild(
    settings: Settings, days: Days, say: Say, *, are_all: bool, in_full: bool = False
) -> Covered:
    with (
        opened(patient_reader(settings)) as reader,
        opened(writing_engine(settings)) as writer,
        progress(sum(map(len, days.values())), "days", say) as move,
    ):
        done = count(1)
        return rebuild(
            reader,
            writer,
            days,
            are_all=are_all,
            on_day=lambda: move(next(done)),
            in_full=in_full,
        )


@contextmanager
def progress(total: int, unit: str, say: Say) -> Iterator[Callable[[int], None]]:
    """What to tell how many are done: moves a bar where somebody looks, else says a line at times.
    `total` may be an estimate."""
    if sys.stderr.isatty():
        with click.progressbar(length=total, label=unit, file=sys.stderr) as bar:
            yield lambda done: bar.update(min(done, total) - bar.pos)
        return
    said_at = time.monotonic()

    def move(done: int) -> None:
        nonlocal said_at
        if time.monotonic() >= said_at + LINE_SECONDS:
            said_at = time.monotonic()
            say(f"{done} of {max(done, total)} {unit}")

    yield move


def say_aside(line: str) -> None:
    click.echo(line, err=True)


def say_difference(line: str) -> None:
    if sys.stderr.isatty():
        click.echo(ERASE_LINE, err=True, nl=False)
    click.echo(line)


def extent(found: Covered) -> str:
    events, sites = counted(found.events, "event"), counted(len(found.sites), "site")
    return f"{events} of {sites} on {counted(len(found.days), 'day')}"


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def pruned(found: Covered) -> str:
    """Which days were left out, and why; empty where none were."""
    if not found.pruned_days:
        return ""
    before = iso_from_ms(found.pruned_before)[:10]
    days = counted(len(found.pruned_days), "day")
    # Those of another site may be kept for longer.
    of = " of some sites" if found.pruned_days & found.days else ""
    return f"{days}{of} before {before} left out, whose events may have been deleted for their age"


def with_left_out(text: str, left_out: str) -> str:
    return f"{text}; {left_out}" if left_out else text
