"""`make bench`: how fast the door and the worker are, as ratios first.

Everything is measured in one run on one machine: each round measures every candidate once, so that
a slow minute of the machine slows them all, and the medians of the rounds are compared. With
`--against COMMIT`, the candidates are that commit and this tree (bench/against); with `--database
NAME`, that database and MariaDB (bench/beside.py). `--door`, with or without a commit, measures
what the door bears, `--scaling` how much more several workers store than one, and prints it in
Markdown (bench/loads, bench/scaling); `--pipeline` what events cost from the queue to where answers
look first (bench/pipeline).
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench import door, worker
from bench.against.compare import BAR, compare
from bench.beside import DATABASES, measure_beside
from bench.door import SETUPS
from bench.loads.run import measure_loads
from bench.pipeline.run import PARTS, measure_pipeline, scale_of
from bench.report import note, save
from bench.scaling.run import measure_scaling
from bench.wrk import Measured
from shared.settings import Settings
from tests.servers import MariaDbServer, OceanBaseServer, ValkeyServer

APPS = ("footfall", "sites", "bare", "noop", "job_per_event")

Rates = dict[str, list[float]]


@dataclass(frozen=True)
class Scale:
    """How much is measured: rounds to take the median of, seconds of wrk, events to drain."""

    rounds: int = 3
    seconds: int = 4
    events: int = 100_000


QUICK = Scale(rounds=1, seconds=1, events=10_000)


def measure_door(scale: Scale) -> tuple[Rates, Rates]:
    """Requests a second and p99 in ms, by `setup/app`, one value a round."""
    rates: Rates = {}
    p99s: Rates = {}
    with ValkeyServer() as valkey:
        for number in range(scale.rounds):
            for setup in SETUPS:
                for app in APPS:
                    note(f"round {number + 1} of {scale.rounds}: {app} on {setup}")
                    measured = door.measure(valkey, setup, app, seconds=scale.seconds)
                    keep(rates, p99s, f"{setup}/{app}", measured)
                batch = door.measure(
                    valkey, setup, "footfall", seconds=scale.seconds, batch=door.BATCH
                )
                keep(rates, p99s, f"{setup}/batches", batch)
    return rates, p99s


def keep(rates: Rates, p99s: Rates, name: str, measured: Measured) -> None:
    rates.setdefault(name, []).append(measured.rate)
    p99s.setdefault(name, []).append(measured.p99_ms)


def measure_worker(scale: Scale) -> Rates:
    """Events a second, by `database/way`, one value a round."""
    rates: Rates = {}
    with (
        ValkeyServer() as valkey,
        MariaDbServer() as mariadb,
        tempfile.TemporaryDirectory() as directory,
    ):
        here = Path(directory)
        sqlite = Settings(redis_url=valkey.url, data_dir=here, max_backlog=10**9)
        maria = replace(sqlite, database_url=mariadb.create_database())
        for number in range(scale.rounds):
            note(f"round {number + 1} of {scale.rounds}: the worker")
            made = worker.make_events(number, scale.events)
            ways: dict[str, Callable[[], float]] = {
                "sqlite/worker": partial(worker.measure_drain, sqlite, made),
                "sqlite/executemany": partial(worker.measure_executemany, sqlite, made),
                "mariadb/worker": partial(worker.measure_drain, maria, made),
                "mariadb/executemany": partial(worker.measure_executemany, maria, made),
                "mariadb/load_data": partial(worker.measure_load_data, maria, made, here),
            }
            for name, way in ways.items():
                rates.setdefault(name, []).append(way())
    return rates


def ratio_rows(rates: dict[str, float], p99s: dict[str, float]) -> list[tuple[str, float, str]]:
    """What is promised: name, figure, and the bar it should reach."""
    rows: list[tuple[str, float, str]] = []
    job = rates["gunicorn-4/job_per_event"]
    for setup in SETUPS:
        on_granian = setup.startswith("granian")
        ours = rates[f"{setup}/footfall"]
        rows += [
            (f"door on {setup} / one RQ job per event on gunicorn-4", ours / job,
             ">= 10" if on_granian else ""),
            (f"door on {setup} / no-op Flask view there", ours / rates[f"{setup}/noop"],
             ">= 1.3" if on_granian else ""),
            (f"door on {setup} / bare WSGI function there", ours / rates[f"{setup}/bare"], ""),
            (f"door on {setup} with settings, keys and limits of 1,000 sites / without",
             rates[f"{setup}/sites"] / ours, ">= 0.95"),
            (f"door on {setup}, p99 in ms", p99s[f"{setup}/footfall"],
             "< 5" if on_granian else ""),
            (f"door on {setup}, events/s in batches of 100",
             rates[f"{setup}/batches"] * door.BATCH, ">= 50,000" if on_granian else ""),
        ]  # fmt: skip
    maria, sqlite = rates["mariadb/worker"], rates["sqlite/worker"]
    return [
        *rows,
        (
            "worker to MariaDB / LOAD DATA LOCAL INFILE",
            maria / rates["mariadb/load_data"],
            ">= 0.2",
        ),
        ("worker to MariaDB / executemany", maria / rates["mariadb/executemany"], ""),
        ("worker to SQLite / executemany", sqlite / rates["sqlite/executemany"], ""),
    ]


def print_report(
    rows: list[tuple[str, float, str]], rates: dict[str, float], p99s: dict[str, float]
) -> None:
    print(f"{'':60}{'median':>12}  bar")
    for name, figure, bar in rows:
        print(f"{name:60}{figure:>12,.2f}  {bar}")
    print(f"\n{'':30}{'per second':>12}{'p99 ms':>9}")
    for name, rate in rates.items():
        print(f"{name:30}{rate:>12,.0f}{p99s.get(name, float('nan')):>9.2f}")


def measure_all(scale: Scale, *, quick: bool) -> None:
    all_rates, all_p99s = measure_door(scale)
    all_rates |= measure_worker(scale)
    rates = {name: statistics.median(values) for name, values in all_rates.items()}
    p99s = {name: statistics.median(values) for name, values in all_p99s.items()}
    rows = ratio_rows(rates, p99s)
    print_report(rows, rates, p99s)
    ratios = {name: {"value": figure, "bar": bar} for name, figure, bar in rows}
    save("quick" if quick else "bench", scale, ratios=ratios, rates=all_rates, p99_ms=all_p99s)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it work?")
    parser.add_argument("--against", metavar="COMMIT", help="compare this tree with that commit")
    parser.add_argument("--door", action="store_true", help="what the door bears: ten minutes")
    parser.add_argument("--scaling", action="store_true", help="8 workers against one: 15 minutes")
    parser.add_argument("--rate", type=int, help="what one of them is to store a second")
    parser.add_argument(
        "--pipeline", action="store_true", help="what stored and counted events cost"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=(), help="of --pipeline")
    parser.add_argument("--events", type=int, help="of the 90 days of --pipeline")
    parser.add_argument("--database", choices=DATABASES, help="measure it beside MariaDB")
    parser.add_argument("--bar", type=float, default=BAR, help="what each ratio should reach")
    parser.add_argument("--rounds", type=int, help="to take the medians of, with one of these")
    return parser.parse_args()


def require_databases(arguments: argparse.Namespace) -> None:
    """End where a server that will be measured is not installed."""
    needed: dict[type[MariaDbServer] | type[OceanBaseServer], bool] = {
        MariaDbServer: not arguments.door,
        OceanBaseServer: arguments.database == OceanBaseServer.kind,
    }
    for server, is_needed in needed.items():
        if is_needed and not server.is_installed():
            sys.exit(server.advice)


def main() -> None:
    arguments = parse()
    require_databases(arguments)
    if arguments.database:
        measure_beside(arguments.database, arguments.rounds, quick=arguments.quick)
        return
    if arguments.scaling:
        sys.exit(measure_scaling(arguments.rounds, arguments.rate, quick=arguments.quick))
    if arguments.pipeline:
        scale = scale_of(arguments.rounds, arguments.events, arguments.parts, quick=arguments.quick)
        sys.exit(measure_pipeline(arguments.against, scale, quick=arguments.quick))
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; to get it: apt-get install wrk")
    if arguments.door:
        sys.exit(measure_loads(arguments.against, arguments.rounds, quick=arguments.quick))
    if arguments.against:
        sys.exit(compare(arguments.against, arguments.bar, arguments.rounds, quick=arguments.quick))
    measure_all(QUICK if arguments.quick else Scale(), quick=arguments.quick)


if __name__ == "__main__":
    main()
