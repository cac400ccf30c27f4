"""`make bench ARGS='--pipeline --against COMMIT'`: what events cost from the queue to where answers
look first, through real workers and a periodic process, on MariaDB as docker-compose.yml has it.

Each backlog waits before the workers begin. The clock stops when nothing waits, nothing is held and
nothing is unmerged. A version without merging has counted what it has stored: its clock stops when
its queue is empty, and only its CPU is counted on, until its users are compacted.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from bench.against.compare import one_directory
from bench.against.storing import Servers
from bench.against.versions import THIS, Version, checked_out
from bench.pipeline.loads import LOADS, SITES_TWO, Case, measure_load
from bench.pipeline.pace import Moment, measure_pace
from bench.pipeline.promises import bars
from bench.pipeline.quarter import DAYS, SITES, measure_quarter, quarter_of
from bench.pipeline.results import Results
from bench.pipeline.running import Drained
from bench.pipeline.table import median
from bench.report import Bar, as_json, bars_as_markdown, note, save
from tests.servers import ROOT, MariaDbServer, ValkeyServer

QUARTER, PACE = "quarter", "pace"
PARTS = (*LOADS, QUARTER, PACE)


@dataclass(frozen=True)
class Scale:
    """How much is measured: rounds of the loads to take the medians of, events of each, events of
    the 90 days, which may be fewer, of so many sites, seconds of even pace, and which of these."""

    rounds: int = 3
    events: int = 120_000
    quarter: int = 3_000_000
    days: int = DAYS
    sites: int = SITES
    pace_seconds: int = 60
    parts: tuple[str, ...] = PARTS


QUICK = Scale(
    rounds=1,
    events=2_000,
    quarter=3_000,
    days=3,
    sites=10,
    pace_seconds=6,
    parts=("one", QUARTER),
)


def scale_of(rounds: int | None, events: int | None, parts: Sequence[str], *, quick: bool) -> Scale:
    scale = QUICK if quick else Scale()
    return replace(
        scale,
        rounds=rounds or scale.rounds,
        quarter=events or scale.quarter,
        parts=tuple(parts) or scale.parts,
    )


def measure_pipeline(commit: str | None, scale: Scale, *, quick: bool) -> int:
    """Measure, print tables and bars, and write down; 0 where all bars are met.

    The short form holds nothing against its bars: there, 1 is for what could not be measured.
    """
    with both_versions(commit) as (versions, servers):
        results = measure_parts(servers, versions, scale)
    found = bars(results)
    for table in (*results.tables(), bars_as_markdown(found)):
        print(f"{table}\n")
    save(
        f"pipeline{'-quick' * quick}",
        scale,
        failed=results.failed,
        **results.as_json(),
        bars=as_json(found),
    )
    for name, why in results.failed.items():
        print(f"FAILED: {name}: {why}")
    return status(results, found, quick=quick)


def status(results: Results, found: Sequence[Bar], *, quick: bool) -> int:
    """With which this ends."""
    is_missed = not all(bar.is_met for bar in found)
    return int(bool(results.failed) or (is_missed and not quick))


def measure_parts(servers: Servers, versions: Sequence[Version], scale: Scale) -> Results:
    """Versions in turn: A B, in the next round B A, and so on."""
    results = Results()
    loads = [load for name, load in LOADS.items() if name in scale.parts]
    cases = [Case(load, version) for load in loads for version in versions]
    results.drained = {case: [] for case in cases}
    for number in range(scale.rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            name = f"{case.load.name}: {case.version.name}"
            drained = results.take(name, partial(measure_load, servers, case, scale.events))
            if drained:
                tell(drained)
                results.drained[case].append(drained)
    traffic = quarter_of(scale.quarter, scale.days, scale.sites)
    for version in versions if QUARTER in scale.parts else ():
        name = f"90 days: {version.name}"
        quarter = results.take(name, partial(measure_quarter, servers, version, traffic))
        if quarter:
            tell(quarter.drained)
            results.quarters[version] = quarter
    if PACE in scale.parts:
        take = partial(keep_pace, servers, scale, results)
        results.moments = results.take("even pace: this tree", take) or []
    return results


def tell(drained: Drained) -> None:
    """What was found, for whoever waits, or does not wait for the end."""
    note(f"  {drained.per_second:,.0f} events/s, {drained.cpu_us:.1f} µs of CPU an event")


def keep_pace(servers: Servers, scale: Scale, results: Results) -> list[Moment]:
    """At the rate that was measured of two workers, or is now."""
    case = Case(SITES_TWO, THIS)
    taken = results.drained.get(case) or [measure_load(servers, case, scale.events)]
    return measure_pace(servers, THIS, int(median(taken).per_second), scale.pace_seconds)


@contextmanager
def both_versions(commit: str | None) -> Iterator[tuple[Sequence[Version], Servers]]:
    """This tree, and that commit where there is one, with the servers that they use in turn."""
    with (
        one_directory(),
        checked_out(commit) if commit else nullcontext() as earlier,
        ValkeyServer({"appendfsync": "always"}) as valkey,
        MariaDbServer(options=compose_options()) as mariadb,
    ):
        yield [THIS, earlier] if earlier else [THIS], Servers(valkey, mariadb)


def compose_options() -> dict[str, str]:
    """What docker-compose.yml starts MariaDB with, unless told otherwise."""
    text = (ROOT / "docker-compose.yml").read_text()
    given = re.findall(r"^ +--([a-z-]+)=(?:\$\{\w+:-)?(\w+)\}?$", text, re.MULTILINE)
    return dict(given)
