"""`make bench-reporting`: what questions cost on a large site, on the same with a tenth of the
events, and from the raw events; and what the rollups cost the worker.

Everything is measured in one run. Each round asks every question of both sites in turn, over HTTP
of a real reporting process, so that a slow minute of the machine slows them all.
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.history import SITE, History, write_history
from bench.report import Bar, as_json, note, print_bars, save
from bench.steps import Shares, measure_steps
from reporting.count import from_events
from shared.clock import DAY_MS, now_ms
from shared.db.database import make_engine, reading_engine, writing_engine
from shared.settings import Settings
from tests.migration import migrate
from tests.reporting.asked import stats_query_from
from tests.servers import MariaDbServer, ServiceProcess

SMALLER = 10
# MariaDB's, as in docker-compose.yml. With its default of 128 MB, each question throws out what the
# one before has read.
BUFFER_POOL = "1G"
# What a question of the raw events may take.
RAW_SECONDS = 3600
MAX_P95_MS = 50
MAX_GROWTH = 1.5
MIN_RAW_RATIO = 20
# Events a second with all rollups, nine of ten users new.
MIN_RATES = {"sqlite": 15_000, "mariadb": 10_000}


@dataclass(frozen=True)
class Scale:
    """Events of the large site, rounds of questions, events that the worker stores."""

    events: int = 5_000_000
    rounds: int = 40
    raw_rounds: int = 1
    stored: int = 60_000


QUICK = Scale(events=50_000, rounds=5, raw_rounds=1, stored=6_000)


class Site:
    """A database with a history, and a reporting process that answers for it."""

    def __init__(self, settings: Settings, history: History) -> None:
        self.settings = settings
        self.history = history
        self.service = ServiceProcess("reporting", {"DATABASE_URL": settings.database_address})

    def fill(self) -> float:
        """Store the history; returns how many seconds that took."""
        started = time.perf_counter()
        engine, reader = writing_engine(self.settings), reading_engine(self.settings)
        migrate(engine)
        write_history(engine, reader, self.history)
        engine.dispose()
        reader.dispose()
        return time.perf_counter() - started

    def ask(self, path: str) -> tuple[float, bytes]:
        """Milliseconds until the whole answer is there, and the answer."""
        started = time.perf_counter()
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        elapsed = 1000 * (time.perf_counter() - started)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
        return elapsed, body

    @contextmanager
    def answering(self) -> Iterator["Site"]:
        with self.service:
            address = urlsplit(self.service.url)
            self.connection = http.client.HTTPConnection(address.hostname or "", address.port)
            yield self
            self.connection.close()


def questions(last: date, days: int) -> dict[str, str]:
    """The paths to ask, by what they ask for."""

    def path(route: str, back: int, **more: str) -> str:
        first = last - timedelta(days=back - 1)
        asked = {"site_id": SITE, "from": first.isoformat(), "to": last.isoformat(), **more}
        return f"{route}?{urlencode(asked)}"

    return {
        "stats, 1 day": path("/stats", 1),
        "stats, 30 days": path("/stats", 30),
        "stats, 90 days": path("/stats", days),
        "timeseries by day, 90 days": path("/stats/timeseries", days, interval="day"),
        "breakdown by path, 90 days": path("/stats/breakdown", days, dimension="path"),
        "stats, 90 days of Berlin": path("/stats", days, tz="Europe/Berlin"),
        "stats, 90 days of Kolkata": path("/stats", days, tz="Asia/Kolkata"),
        "timeseries by day, 90 days of Berlin": path(
            "/stats/timeseries", days, interval="day", tz="Europe/Berlin"
        ),
        "timeseries by day, 90 days, of one browser": path(
            "/stats/timeseries", days, browser="Chrome"
        ),
        OF_A_COUNTRY: path("/stats/breakdown", days, dimension="path", country="DE"),
    }


# What the bars are about; the others are measured to be known.
PROMISED = 5
# What no rollup covers.
OF_A_COUNTRY = "breakdown by path, 90 days, of one country"


def measure_answers(
    large: Site, small: Site, asked: dict[str, str], rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Milliseconds of each question on both sites, one value a round."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in asked}
    for number in range(rounds + 1):
        for name, path in asked.items():
            for site, times in zip((large, small), found[name], strict=True):
                elapsed, _ = site.ask(path)
                if number:  # the first round only warms up
                    times.append(elapsed)
    return found


def measure_raw(site: Site, last: date, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of the 90 days' uniques, of their top paths, and of those of one country, all
    counted from `events`; and the answers must be those of the service."""
    history = site.history
    first = last - timedelta(days=history.days - 1)
    asked = {"site_id": [SITE], "from": [first.isoformat()], "to": [last.isoformat()]}
    query = stats_query_from(asked, history.last_day)
    engine = make_engine(site.settings, RAW_SECONDS)
    uniques, paths, of_country = [], [], []
    for _ in range(rounds):
        with engine.begin() as connection:
            started = time.perf_counter()
            (totals,) = from_events.fetch_totals(connection, query, (query.start, query.end))
            between = time.perf_counter()
            values = from_events.fetch_values(connection, query, "path", with_users=False)
            uniques.append(1000 * (between - started))
            paths.append(1000 * (time.perf_counter() - between))
            started = time.perf_counter()
            filtered = replace(query, filters=(("country", "DE"),))
            paths_of = from_events.fetch_values(connection, filtered, "path", with_users=True)
            of_country.append(1000 * (time.perf_counter() - started))
    engine.dispose()
    site.connection.close()  # as the service did, in all that time; `ask` opens another
    answer = json.loads(site.ask(questions(last, history.days)["stats, 90 days"])[1])
    told = (answer["total_events"], answer["total_views"], answer["unique_users"])
    if told != tuple(totals) or [p["views"] for p in answer["top_paths"]] != [
        value.views for value in values
    ]:
        raise RuntimeError(f"the raw events say {totals}, /stats says {answer}")
    rows = json.loads(site.ask(questions(last, history.days)[OF_A_COUNTRY])[1])["rows"]
    if [tuple(row.values()) for row in rows] != paths_of:
        raise RuntimeError(f"the raw events say {paths_of}, /stats/breakdown says {rows}")
    return statistics.median(uniques), statistics.median(paths), statistics.median(of_country)


def p95(times: list[float]) -> float:
    return sorted(times)[max(0, -(-95 * len(times) // 100) - 1)]


def measure_database(
    kind: str, make_settings: Callable[[str], Settings], scale: Scale
) -> tuple[list[Bar], Shares]:
    """All bars of one kind of database."""
    today = now_ms() // DAY_MS * DAY_MS
    last = datetime.fromtimestamp(today / 1000, UTC).date()
    large = Site(make_settings("large"), History(scale.events, today))
    small = Site(make_settings("small"), History(scale.events // SMALLER, today))
    for site in (small, large):
        seconds = site.fill()
        note(f"{kind}: {site.history.events:,} events in {seconds:.0f} s")
    with large.answering(), small.answering():
        asked = questions(last, large.history.days)
        answers = measure_answers(large, small, asked, scale.rounds)
        raw_uniques, raw_paths, raw_of_country = measure_raw(large, last, scale.raw_rounds)
    note(f"{kind}: the worker")
    rate, shares = measure_steps(make_settings("worker"), scale.stored)
    bars: list[Bar] = []
    for number, (name, (of_large, of_small)) in enumerate(answers.items()):
        is_promised = number < PROMISED
        growth = statistics.median(of_large) / statistics.median(of_small)
        bars += [
            Bar(f"{kind}: {name}, p95 ms", p95(of_large), f"< {MAX_P95_MS}" * is_promised),
            Bar(f"{kind}: {name}, of a tenth", growth, f"<= {MAX_GROWTH}" * is_promised),
        ]
    whole = statistics.median(answers["stats, 90 days"][0])
    broken = statistics.median(answers["breakdown by path, 90 days"][0])
    bars += [
        Bar(f"{kind}: raw 90-day totals / stats", raw_uniques / whole, f">= {MIN_RAW_RATIO}"),
        Bar(f"{kind}: raw 90-day paths / breakdown", raw_paths / broken, ""),
        Bar(
            f"{kind}: raw paths of one country / breakdown",
            raw_of_country / statistics.median(answers[OF_A_COUNTRY][0]),
            "",
        ),
        Bar(f"{kind}: raw 90-day totals, ms", raw_uniques, ""),
        Bar(f"{kind}: raw 90-day paths, ms", raw_paths, ""),
        Bar(f"{kind}: worker, events/s", rate, f">= {MIN_RATES[kind]}"),
    ]
    return bars, shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small site: does it work?")
    parser.add_argument("--events", type=int, help="of the large site")
    parser.add_argument("--database", choices=MIN_RATES, help="only this one")
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else Scale()
    if arguments.events:
        scale = replace(scale, events=arguments.events)
    if not MariaDbServer.is_installed():
        sys.exit(MariaDbServer.advice)
    with ExitStack() as stack:
        here = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mariadb = stack.enter_context(MariaDbServer(BUFFER_POOL))
        databases: dict[str, Callable[[str], Settings]] = {
            "sqlite": lambda name: Settings(
                data_dir=here, database_url=f"sqlite:///{here}/{name}.db"
            ),
            "mariadb": lambda _: Settings(data_dir=here, database_url=mariadb.create_database()),
        }
        measured = {
            kind: measure_database(kind, make_settings, scale)
            for kind, make_settings in databases.items()
            if arguments.database in (None, kind)
        }
    bars = [bar for found, _ in measured.values() for bar in found]
    print_bars(bars)
    for kind, (_, shares) in measured.items():
        print(f"\nOf the worker's time to {kind}:")
        for step, share in shares.items():
            print(f"  {step:40}{share:>6.1%}")
    save("reporting-quick" if arguments.quick else "reporting", scale, figures=as_json(bars))


if __name__ == "__main__":
    main()
