"""The keys under which visitors are told apart: one of each UTC day, and of each week and month
where a site wants its visitors to stay the same for so long.

They are random, and all processes have the same through Redis. Each kind is kept in a file of its
own, so that neither the end of a period nor a restart needs Redis. A salt is gone a day after its
period.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.clock import DAY_MS, WEEK_MS
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue
from shared.sites.settings import DAY, MONTH, WEEK

# After Redis had no salt, nobody waits for it again so long.
SILENT_SECONDS = 1.0
STRAY_SECONDS = 60
# 1970 began on a Thursday.
FIRST_MONDAY = 4 * DAY_MS

encode_salts = msgspec.json.Encoder().encode
decode_salts = msgspec.json.Decoder(dict[int, bytes]).decode


class Period(NamedTuple):
    """A kind of period: when that of a moment begins, in ms, and what is not shorter than any, nor
    as long as two."""

    name: str
    start_of: Callable[[int], int]
    longest: int

    def span(self, moment: int) -> tuple[int, int]:
        """The first ms of the period that a moment is in, and of the next one."""
        start = self.start_of(moment)
        return start, self.start_of(start + self.longest)


def start_of_day(moment: int) -> int:
    return moment - moment % DAY_MS


def start_of_week(moment: int) -> int:
    return moment - (moment - FIRST_MONDAY) % WEEK_MS


def start_of_month(moment: int) -> int:
    at = datetime.fromtimestamp(moment // 1000, UTC)
    return int(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp()) * 1000


DAYS = Period(DAY, start_of_day, DAY_MS)
WEEKS = Period(WEEK, start_of_week, WEEK_MS)
MONTHS = Period(MONTH, start_of_month, 32 * DAY_MS)


class Salts:
    """All of them, by the name of their kind of period. Those of days are always there; others
    only where they are asked for: what nobody uses, nobody can lose."""

    def __init__(self, queue: EventQueue, directory: Path | None = None) -> None:
        self.queue = queue
        self.silent_until = 0.0
        self.of = {
            period.name: PeriodSalts(self.fetch, period, directory and directory / file)
            for period, file in (
                (DAYS, "salts.json"),
                (WEEKS, "salts-week.json"),
                (MONTHS, "salts-month.json"),
            )
        }
        self.days = self.of[DAY]

    def fetch(
        self, period: Period, start: int, lasting_ms: int, known: bytes | None = None
    ) -> bytes:
        if time.monotonic() < self.silent_until:
            raise Unavailable("queue_unavailable", "the queue had no salt a moment ago")
        try:
            name = "" if period is DAYS else period.name
            return self.queue.share_salt(start, lasting_ms, name, known)
        except Unavailable:
            self.silent_until = time.monotonic() + SILENT_SECONDS
            raise

    def has_current(self, now: int, longer: Collection[str] = ()) -> bool:
        """Whether today's is known, and those of the `longer` periods that are asked for."""
        if longer:
            return all(self.of[name].has_current(now) for name in (DAY, *longer))
        return now - now % DAY_MS in self.days.known  # for each request of a browser

    def look_ahead(self, now: int, longer: Collection[str] = ()) -> None:
        """Fetch today's salt and tomorrow's, and keep them; the same of the `longer` periods.
        Raises Unavailable, and OSError, when all is done that can be."""
        failed: Unavailable | OSError | None = None
        for name, salts in self.of.items():
            try:
                salts.look_ahead(now, is_used=name == DAY or name in longer)
            except (Unavailable, OSError) as error:
                failed = error
        if failed is not None:
            raise failed


class PeriodSalts:
    """Those of one kind of period: the last for another day, this one and, a day before it begins,
    the next. Only its owner can read the file, and what is over is taken out of it."""

    def __init__(self, fetch: Callable[..., bytes], period: Period, file: Path | None) -> None:
        self.share = fetch
        self.period = period
        self.file = file
        self.known = self.written = self.kept()
        # Of this period, as far as it was asked last; both change at once.
        self.span = (0, 0)

    def kept(self) -> dict[int, bytes]:
        """What an earlier process kept; none where there is no file, or none of ours."""
        with contextlib.suppress(OSError, msgspec.DecodeError, ValueError, OverflowError):
            salts = decode_salts(self.file.read_bytes()) if self.file else {}
            return {at: salt for at, salt in salts.items() if self.period.start_of(at) == at}
        return {}

    def of_moment(self, timestamp: int, now: int) -> bytes:
        """The salt for what happened at a moment. What happened before the end of a period and
        arrives within a day after it has still that period's; all else this one's. Raises
        Unavailable."""
        start, end = self.span
        if not start <= now < end:
            self.span = start, _ = self.period.span(now)
        if timestamp < start and now < start + DAY_MS:
            last = self.period.start_of(start - 1)
            start = last if timestamp >= last else start
        salt = self.known.get(start)  # as of_period has it, without a call
        return self.fetch(start, now) if salt is None else salt

    def of_period(self, start: int, now: int) -> bytes:
        """That of a period that begins then. Raises Unavailable."""
        salt = self.known.get(start)
        return self.fetch(start, now) if salt is None else salt

    def has_current(self, now: int) -> bool:
        start, end = self.span
        if not start <= now < end:
            self.span = start, _ = self.period.span(now)
        return start in self.known

    def fetch(self, start: int, now: int) -> bytes:
        salt = self.share(self.period, start, self.over_at(start) - now)
        self.known = self.lasting(self.known | {start: salt}, now)
        return salt

    def look_ahead(self, now: int, *, is_used: bool) -> None:
        """Fetch this one and the one of a day later, where they are used, and keep them. Raises
        Unavailable, and OSError."""
        try:
            if is_used and self.period is not DAYS:
                self.offer_known(now)
            for moment in (now, now + DAY_MS) if is_used else ():
                self.of_period(self.period.start_of(moment), now)
        finally:  # what is over goes, also while there are no new ones
            self.known = self.lasting(self.known, now)
            if self.file is not None and self.known != self.written:
                keep_private(self.file, encode_salts(self.known))
                self.written = self.known

    def offer_known(self, now: int) -> None:
        """Let Redis have those that are known here, where it has none: one that lost its data would
        give another to who comes new, for up to a month. Where it has another, this process keeps
        its own."""
        with contextlib.suppress(Unavailable):  # they are offered again, and nobody waits for that
            for start, salt in self.lasting(self.known, now).items():
                self.share(self.period, start, self.over_at(start) - now, salt)

    def lasting(self, salts: dict[int, bytes], now: int) -> dict[int, bytes]:
        """Those that are not over."""
        return {start: salt for start, salt in salts.items() if self.over_at(start) > now}

    def over_at(self, start: int) -> int:
        return self.period.span(start)[1] + DAY_MS


def keep_private(file: Path, data: bytes) -> None:
    """Replace a file, readable by its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    remove_strays(file)
    made = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(data)
        made.replace(file)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def remove_strays(file: Path) -> None:
    """What processes left that ended while they replaced the file: there are salts in it, too."""
    for stray in file.parent.glob(f"{file.name}.*"):
        with contextlib.suppress(FileNotFoundError):  # it is being used, and has its name by now
            if time.time() - stray.stat().st_mtime > STRAY_SECONDS:
                stray.unlink()
