"""What the door promises under each load, and how its bars are made of what was measured."""

from collections.abc import Iterator
from typing import NamedTuple

from bench.loads import load as loads
from bench.loads.load import BARE, EARLIER, JOB, THIS, Load
from bench.loads.results import Case, Results
from bench.report import Bar


class Ratio(NamedTuple):
    """This tree's events a second under a load, as a multiple of another case's."""

    load: Load
    of: Case
    bar: str = ""


class Bound(NamedTuple):
    """This tree's events a second, or its p99, under a load."""

    load: Load
    bar: str = ""


# Bars that are empty: said, whatever it is.
RATIOS = (
    Ratio(loads.SINGLE, Case(loads.SINGLE, EARLIER), ">= 1.7"),
    Ratio(loads.SINGLE, Case(loads.SINGLE, JOB), ">= 18"),
    Ratio(loads.SINGLE, Case(loads.SINGLE, BARE), ">= 0.45"),
    Ratio(loads.UNSYNCED, Case(loads.UNSYNCED, EARLIER)),
    Ratio(loads.UNSYNCED, Case(loads.UNSYNCED, JOB)),
    Ratio(loads.UNSYNCED, Case(loads.SINGLE, BARE)),
    Ratio(loads.HUNDREDS, Case(loads.HUNDREDS, EARLIER), ">= 1.0"),
    Ratio(loads.THOUSANDS, Case(loads.THOUSANDS, EARLIER), ">= 1.0"),
    Ratio(loads.CROWD_64, Case(loads.SINGLE, THIS), ">= 0.9"),
    Ratio(loads.CROWD_256, Case(loads.SINGLE, THIS), ">= 0.9"),
    Ratio(loads.TWO, Case(loads.SINGLE, THIS)),
    Ratio(loads.TWO, Case(loads.TWO, EARLIER)),
)
P99S_MS = (Bound(loads.SINGLE, "< 3"), Bound(loads.MIXED, "< 15"))
RATES = (Bound(loads.SPOOLED, ">= 5000"),)


def bars(results: Results) -> list[Bar]:
    """Those of the cases that were to be measured; not a number, and missed, where one failed."""
    return [*ratio_bars(results), *bound_bars(results)]


def ratio_bars(results: Results) -> Iterator[Bar]:
    for load, of, bar in RATIOS:
        ours = Case(load, THIS)
        if ours in results and of in results:
            other = of.load.name if of.who == THIS else results.name(of.who)
            figure = results.median(ours).per_second / results.median(of).per_second
            yield Bar(f"{load.name} / {other}", figure, bar)


def bound_bars(results: Results) -> Iterator[Bar]:
    for load, bar in P99S_MS:
        if (ours := Case(load, THIS)) in results:
            yield Bar(f"{load.name}, p99 ms", results.median(ours).p99_ms, bar)
    for load, bar in RATES:
        if (ours := Case(load, THIS)) in results:
            yield Bar(f"{load.name}, events/s", results.median(ours).per_second, bar)
