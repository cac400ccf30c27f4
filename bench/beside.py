"""`make bench ARGS='--database oceanbase'`: the worker and `/stats` on one database beside MariaDB.

Both have the same events, and each round measures each figure of both, one right after the other.
Their answers have to be the same, byte for byte.
"""

import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.history import History
from bench.report import note, save
from bench.reporting import BUFFER_POOL, Site, measure_answers, questions
from bench.worker import make_events, measure_drain
from shared.clock import DAY_MS, now_ms
from shared.settings import Settings
from tests.servers import MariaDbServer, OceanBaseServer, ValkeyServer

MARIADB = "mariadb"
# Those that can be measured beside MariaDB.
DATABASES = ("sqlite", "oceanbase")

# An empty database of that kind; its URL.
Empty = Callable[[], str]


@dataclass(frozen=True)
class Scale:
    """Rounds to take the medians of, events that the worker drains in each, events of the site that
    reporting is asked about."""

    rounds: int = 10
    drained: int = 100_000
    stored: int = 500_000


QUICK = Scale(rounds=1, drained=5_000, stored=5_000)


@dataclass(frozen=True)
class Pair:
    """A figure of the database and of MariaDB, one value a round each."""

    unit: str
    its: list[float]
    mariadbs: list[float]

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.its), statistics.median(self.mariadbs)


def measure_beside(database: str, rounds: int | None, *, quick: bool) -> None:
    """Measure, print, and write down."""
    scale = QUICK if quick else Scale()
    scale = replace(scale, rounds=rounds or scale.rounds)
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer())
        here = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ff-")))
        settings = Settings(redis_url=valkey.url, data_dir=here, max_backlog=10**9)
        # As much memory as OceanBase's server has.
        mariadb = stack.enter_context(MariaDbServer(BUFFER_POOL)).create_database
        both = (empty_of(database, stack, here), mariadb)
        figures = {
            "worker": measure_workers(both, settings, scale),
            **measure_sites(both, settings, scale),
        }
    print_pairs(database, figures)
    as_json = {name: {database: p.its, MARIADB: p.mariadbs} for name, p in figures.items()}
    save(f"beside-{database}{'-quick' * quick}", scale, figures=as_json)


def empty_of(database: str, stack: ExitStack, here: Path) -> Empty:
    if database == "oceanbase":
        return stack.enter_context(OceanBaseServer()).create_database
    return lambda: f"sqlite:///{tempfile.mkdtemp(dir=here)}/it.db"


def measure_workers(both: tuple[Empty, Empty], settings: Settings, scale: Scale) -> Pair:
    """Events a second, through a backlog into a database that is empty in each round."""
    pair = Pair("events/s", [], [])
    for number in range(scale.rounds):
        note(f"round {number + 1} of {scale.rounds}: the worker")
        made = make_events(number, scale.drained)
        for empty, rates in zip(both, (pair.its, pair.mariadbs), strict=True):
            rates.append(measure_drain(replace(settings, database_url=empty()), made))
    return pair


def measure_sites(both: tuple[Empty, Empty], settings: Settings, scale: Scale) -> dict[str, Pair]:
    """Milliseconds of each question about 90 days, asked over HTTP."""
    today = now_ms() // DAY_MS * DAY_MS
    history = History(scale.stored, today)
    its, mariadbs = (Site(replace(settings, database_url=empty()), history) for empty in both)
    for site in (its, mariadbs):
        note(f"{scale.stored:,} events stored in {site.fill():.0f} s")
    asked = questions(datetime.fromtimestamp(today / 1000, UTC).date(), history.days)
    with its.answering(), mariadbs.answering():
        answers = measure_answers(its, mariadbs, asked, scale.rounds)
        for name, path in asked.items():
            if its.ask(path)[1] != mariadbs.ask(path)[1]:
                raise RuntimeError(f"{name}: the answers differ")
    return {name: Pair("ms", *times) for name, times in answers.items()}


def print_pairs(database: str, figures: dict[str, Pair]) -> None:
    print(f"{'medians':56}{database:>12}{MARIADB:>12}{'ratio':>8}")
    for name, pair in figures.items():
        of_it, of_mariadb = pair.medians
        ratio = of_it / of_mariadb
        print(f"{f'{name}, {pair.unit}':56}{of_it:>12,.1f}{of_mariadb:>12,.1f}{ratio:>8.2f}")
