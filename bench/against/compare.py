"""`make bench ARGS='--against COMMIT'`: this tree and an earlier commit, measured in one run.

Each round measures each figure of both, one right after the other, on the same servers with the
same settings and events. What is held against the bar is the ratio of the medians.
"""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain

from bench.against.asking import Content, reporting_measures
from bench.against.door import door_measures
from bench.against.figures import Figure, Measures, as_json, measure, print_figures
from bench.against.posts import make_posts
from bench.against.storing import Servers, worker_measures
from bench.against.versions import THIS, checked_out
from bench.door import SETUPS
from bench.history import COUNTRIES, History, make_days
from bench.report import save
from bench.worker import make_events
from shared.clock import DAY_MS, now_ms
from tests.servers import MariaDbServer, ValkeyServer

BAR = 0.97
# Both versions' sites fit, so that no question throws out what another has read.
BUFFER_POOL = "512M"
TERMINATED_STATUS = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Scale:
    """How much is measured: rounds, seconds of wrk, events that the worker drains, events of the
    site that reporting is asked about, and how often it is asked each question in a round.

    `quiet_seconds` is how long the periodic process must do nothing before that.
    """

    rounds: int = 6
    seconds: int = 4
    drained: int = 200_000
    stored: int = 100_000
    asks: int = 100
    quiet_seconds: float = 3.0
    setups: tuple[str, ...] = SETUPS


QUICK = Scale(
    rounds=1,
    seconds=1,
    drained=5_000,
    stored=5_000,
    asks=5,
    quiet_seconds=0.5,
    setups=SETUPS[:1],
)


def compare(commit: str, bar: float, rounds: int | None, *, quick: bool) -> int:
    """Measure, print, and write down; 0 where each figure's ratio reaches the bar, 1 otherwise."""
    scale = QUICK if quick else Scale()
    scale = replace(scale, rounds=rounds or scale.rounds)
    with (
        one_directory(),
        checked_out(commit) as earlier,
        measures(scale) as all_measures,
    ):
        figures = measure(all_measures, THIS, earlier, scale.rounds)
    print_figures(figures, earlier.name, bar)
    save(
        "against-quick" if quick else "against",
        scale,
        earlier=earlier.name,
        bar=bar,
        figures={figure.name: as_json(figure) for figure in figures},
    )
    return verdict(figures, bar)


@contextmanager
def one_directory() -> Iterator[None]:
    """Everything temporary is put into one directory, and goes with it, after SIGTERM too: a signal
    may come between a directory of its own and whatever would delete that."""
    told: list[int] = []

    def end(number: int, _frame: object) -> None:
        told.append(number)
        sys.exit(TERMINATED_STATUS)  # which cleans up

    signal.signal(signal.SIGTERM, end)
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="ff-") as directory:
        tempfile.tempdir = directory
        try:
            yield
        finally:
            tempfile.tempdir = before
    if told:  # where an exception comes to nothing, as in a finalizer
        sys.exit(TERMINATED_STATUS)


@contextmanager
def measures(scale: Scale) -> Iterator[Measures]:
    """Everything that is measured, while its servers run."""
    yesterday = now_ms() // DAY_MS * DAY_MS - DAY_MS
    history = History(scale.stored, yesterday, users=20_000)
    posts = make_posts(list(chain.from_iterable(make_days(history))), COUNTRIES)
    site = Content(history, posts, scale.quiet_seconds)
    backlog = make_posts(make_events(1, scale.drained), COUNTRIES[:1])
    with ValkeyServer() as valkey, MariaDbServer(BUFFER_POOL) as mariadb:
        servers = Servers(valkey, mariadb)
        with reporting_measures(servers, site, scale.asks) as reporting:
            door = door_measures(valkey, scale.setups, scale.seconds)
            yield {**door, **worker_measures(servers, backlog), **reporting}


def verdict(figures: list[Figure], bar: float) -> int:
    compared = [figure for figure in figures if not figure.missing]
    missed = [figure.name for figure in compared if figure.ratio < bar]
    print(f"\n{len(compared) - len(missed)} of {len(compared)} figures reach {bar}")
    for name in missed:
        print(f"MISSED: {name}")
    return 1 if missed else 0
