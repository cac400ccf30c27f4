"""Who a browser is for a day: a keyed digest of site, address and user agent.

Only for requests that ask for it (`?users=hashed`), and for events that name no user themselves.
The key, a salt, is random, changes at midnight UTC and is gone a day after that: from then on
nobody can find out whose address a digest was made of, or that two days' digests are one visitor's.
"""

import contextlib
import os
import secrets
import time
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec

from shared.clock import DAY_MS
from shared.errors import InvalidInput, Unavailable
from shared.queue.event_queue import EventQueue

PARAMETER = "users"
HASHED = "hashed"
ASKED = f"{PARAMETER}={HASHED}"
# After Redis had no salt, nobody waits for it again so long.
SILENT_SECONDS = 1.0
STRAY_SECONDS = 60

encode_salts = msgspec.json.Encoder().encode
decode_salts = msgspec.json.Decoder(dict[int, bytes]).decode


class Salts:
    """The salts of yesterday, today and tomorrow: shared by all processes through Redis, and kept
    in a file, so that neither midnight nor a restart needs Redis. Only its owner can read it, and
    what is over is taken out of it."""

    def __init__(self, queue: EventQueue, file: Path | None = None) -> None:
        self.queue = queue
        self.file = file
        self.known = self.written = kept_salts(file)
        self.silent_until = 0.0

    def of_day(self, day: int, now: int) -> bytes:
        """The salt of a day, today or yesterday, given by its first ms. Raises Unavailable."""
        salt = self.known.get(day)
        return self.fetch(day, now) if salt is None else salt

    def has_today(self, now: int) -> bool:
        return now - now % DAY_MS in self.known

    def fetch(self, day: int, now: int) -> bytes:
        if time.monotonic() < self.silent_until:
            raise Unavailable("queue_unavailable", "the queue had no salt a moment ago")
        try:
            salt = self.queue.share_salt(day, day + 2 * DAY_MS - now)
        except Unavailable:
            self.silent_until = time.monotonic() + SILENT_SECONDS
            raise
        self.known = lasting(self.known | {day: salt}, now)
        return salt

    def look_ahead(self, now: int) -> None:
        """Fetch today's salt and tomorrow's, and keep them. Raises Unavailable, and OSError."""
        today = now - now % DAY_MS
        try:
            for day in (today, today + DAY_MS):
                self.of_day(day, now)
        finally:  # what is over goes, also while there are no new ones
            self.known = lasting(self.known, now)
            if self.file is not None and self.known != self.written:
                keep_private(self.file, encode_salts(self.known))
                self.written = self.known


def kept_salts(file: Path | None) -> dict[int, bytes]:
    """What an earlier process kept; none where there is no file, or one that cannot be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return decode_salts(file.read_bytes()) if file else {}
    return {}


def lasting(salts: dict[int, bytes], now: int) -> dict[int, bytes]:
    """Those that are not over."""
    return {day: salt for day, salt in salts.items() if day + 2 * DAY_MS > now}


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


class Browser(NamedTuple):
    """Whoever sent one request, for as long as that is answered."""

    salts: Salts
    address: str
    received_at: int

    def user_id(self, site_id: str, timestamp: int, user_agent: str | None) -> str:
        """The visitor of an event. The salt is that of the event's day: what happened before
        midnight and arrives after it is still the same visitor's. Raises Unavailable."""
        today = self.received_at - self.received_at % DAY_MS
        day = timestamp - timestamp % DAY_MS
        # Other days have no salt any more, or none yet.
        salt = self.salts.of_day(day if day == today - DAY_MS else today, self.received_at)
        visitor = f"{site_id}\0{self.address}\0{user_agent or ''}"
        return blake2b(visitor.encode(), key=salt, digest_size=16).hexdigest()


def asks_for_visitors(query: str) -> bool:
    """Whether a request's query string asks to tell visitors apart. Raises InvalidInput."""
    if query == ASKED:  # as the tracker asks
        return True
    asked = parse_qs(query, keep_blank_values=True).get(PARAMETER)
    if asked not in (None, [HASHED]):
        raise InvalidInput("bad_users", f"users must be {HASHED}, or absent", field=PARAMETER)
    return asked is not None
