"""What is promised of a pipeline, and how its bars are made of what was measured: ratios within one
run, and CPU time, which does not depend on what else the machine does.
"""

from collections.abc import Iterator

from bench.against.versions import THIS
from bench.pipeline.loads import EACH, ONE, ONE_TWO, SITES, SITES_TWO, Load
from bench.pipeline.pace import growth
from bench.pipeline.quarter import Quarter
from bench.pipeline.results import Results
from bench.pipeline.running import Drained
from bench.pipeline.table import median
from bench.report import Bar

# Bars that are empty: said, whatever it is.
OF_EARLIER = {ONE: ">= 2.2"}
CPU_US = {ONE: "<= 55", SITES: "<= 80", EACH: "", ONE_TWO: "", SITES_TWO: ""}
# At the cores' limit a second worker brings nothing, and must cost nothing.
OF_THIS = (
    (SITES, ONE, ">= 0.65"),
    (EACH, ONE, ""),
    (ONE_TWO, ONE, ">= 0.97"),
    (SITES_TWO, SITES, ">= 0.97"),
)
EVENNESS = ">= 0.85"
QUARTER_US = "<= 120"
P95_MS = "< 500"
# What tables have at the least weighs more where there are few events.
MANY_EVENTS = 1_000_000
MANY_BYTES, FEW_BYTES = "<= 1000", "<= 1200"
GROWTH = "<= 1.5"


def bars(results: Results) -> list[Bar]:
    """Of what was measured."""
    return [*load_bars(results), *quarter_bars(results), *pace_bars(results)]


def load_bars(results: Results) -> Iterator[Bar]:
    ours = {
        load: median(taken)
        for (load, version), taken in results.drained.items()
        if version is THIS and taken
    }
    for (load, version), taken in results.drained.items():
        if version is not THIS and taken and load in ours:
            yield from ratios(load, ours[load], version.name, median(taken))
    for load, of, bar in OF_THIS:
        if load in ours and of in ours:
            ratio = ours[load].per_second / ours[of].per_second
            yield Bar(f"{load.name} / {of.name}, events/s", ratio, bar)
    for load, drained in ours.items():
        yield Bar(f"{load.name}, CPU µs an event", drained.cpu_us, CPU_US.get(load, ""))


def ratios(load: Load, ours: Drained, earlier: str, theirs: Drained) -> Iterator[Bar]:
    rate = ours.per_second / theirs.per_second
    yield Bar(f"{load.name} / {earlier}, events/s", rate, OF_EARLIER.get(load, ""))
    cpu = ours.cpu_us / theirs.cpu_us
    yield Bar(f"{load.name} / {earlier}, CPU an event", cpu, "")


def quarter_bars(results: Results) -> Iterator[Bar]:
    for version, quarter in results.quarters.items():
        if version is THIS:
            yield from bars_of(quarter)
        elif THIS in results.quarters:
            cpu = results.quarters[THIS].drained.cpu_us / quarter.drained.cpu_us
            yield Bar(f"90 days / {version.name}, CPU an event", cpu, "")


def bars_of(quarter: Quarter) -> Iterator[Bar]:
    yield Bar("90 days, last third / first, events/s", quarter.evenness, EVENNESS)
    yield Bar("90 days, CPU µs an event", quarter.drained.cpu_us, QUARTER_US)
    yield Bar("90 days, /stats of 49 days and a country, p95 ms", quarter.p95_ms, P95_MS)
    most = MANY_BYTES if quarter.events >= MANY_EVENTS else FEW_BYTES
    yield Bar("90 days, bytes of tables an event", quarter.bytes_an_event, most)


def pace_bars(results: Results) -> Iterator[Bar]:
    if results.moments:
        grown = growth(results.moments)
        yield Bar("even pace, unmerged rows, last third of it / middle one", grown, GROWTH)
