"""What a doctor has seen at one moment; whatever could not be asked is None."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.keys.stored import StoredKey
from shared.queue.refusals import Refused
from shared.queue.watching import DoorReport, Noted
from shared.settings import Settings


@dataclass(frozen=True)
class RedisSeen:
    """`problem` says why it cannot be asked, `unsafe` why it may lose events, `unwatched` why
    requests cannot be looked at. `ahead_ms`: how far this machine's clock is ahead of its."""

    problem: str | None = None
    unsafe: str | None = None
    unwatched: str | None = None
    ahead_ms: int = 0
    workers: int = 1
    # Of the periodic kind.
    periodic: int = 1
    silent_spooled: int = 0
    refused_today: Mapping[Refused, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DatabaseSeen:
    """`problem` says why it cannot be asked, `lack` what it lacks. `ahead_ms` is None where it has
    this machine's clock."""

    problem: str | None = None
    lack: str = ""
    ahead_ms: int | None = None
    dead: int = 0
    not_merged: Sequence[str] = ()
    # Those that hold.
    keys: Sequence[StoredKey] = ()


@dataclass(frozen=True)
class Seen:
    """`settings` are of whoever looks, `now` is in ms, `asked_ms` for how long ingestion was asked
    what it is sent, `is_reporting` whether the settings are those of reporting."""

    now: int
    settings: Settings
    redis: RedisSeen = field(default_factory=RedisSeen)
    database: DatabaseSeen = field(default_factory=DatabaseSeen)
    noted: Sequence[Noted] = ()
    doors: Sequence[DoorReport] = ()
    asked_ms: int = 0
    data_dir_problem: str | None = None
