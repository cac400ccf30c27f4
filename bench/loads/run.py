"""`make bench ARGS='--door --against COMMIT'`: what the door bears, and whom it still serves then.

Without a commit, this tree's figures alone. All of it takes less than ten minutes, on loopback.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace

from bench import stalled
from bench.against.compare import one_directory
from bench.against.versions import THIS as THIS_TREE
from bench.against.versions import Version, checked_out
from bench.loads.load import BARE, EARLIER, JOB, LOADS, MIXED, SINGLE, SPOOLED, THIS, TWO, Load
from bench.loads.posting import (
    Bearer,
    Sample,
    bare_bearer,
    job_bearer,
    measure_load,
    version_bearer,
)
from bench.loads.promises import bars
from bench.loads.results import Case, Results
from bench.report import as_json, bars_as_markdown, save

STALLED = stalled.Scale(rounds=3, seconds=2, halves=("half a head", "half a body"))
STALLED_QUICK = replace(stalled.QUICK, halves=("half a body",), services=("ingestion",))


@dataclass(frozen=True)
class Scale:
    """How much is measured: rounds, seconds of wrk after those of warming up, which loads,
    and what of clients that stall."""

    rounds: int = 3
    seconds: int = 3
    warm_up_seconds: int = 1
    loads: tuple[Load, ...] = LOADS
    stalling: stalled.Scale = STALLED


QUICK = Scale(
    rounds=1,
    seconds=1,
    warm_up_seconds=0,
    loads=(SINGLE, MIXED, SPOOLED, TWO),
    stalling=STALLED_QUICK,
)


def measure_loads(commit: str | None, rounds: int | None, *, quick: bool) -> int:
    """Measure, print tables in Markdown, and write down; 0 where all bars are met.

    The short form holds nothing against its bars: there, 1 is for what could not be measured.
    """
    scale = QUICK if quick else Scale()
    scale = replace(scale, rounds=rounds or scale.rounds)
    with one_directory(), checked_out(commit) if commit else nullcontext() as earlier:
        results = measure_cases(earlier, scale)
        among_stalled = stalled.measure_all(scale.stalling, "granian")
    found = [*bars(results), *among_stalled]
    print(f"{results.as_markdown()}\n\n{bars_as_markdown(found)}")
    name = "door-quick" if quick else "door"
    save(name, scale, loads=results.as_json(), bars=as_json(found))
    missed = [bar for bar in found if not bar.is_met]
    return int(bool(results.failed or (missed and not quick)))


def measure_cases(earlier: Version | None, scale: Scale) -> Results:
    bearers: dict[str, Bearer] = {
        THIS: version_bearer(THIS_TREE),
        JOB: job_bearer,
        BARE: bare_bearer,
    }
    if earlier:
        bearers[EARLIER] = version_bearer(earlier)
    cases = [Case(load, who) for load in scale.loads for who in load.borne_by if who in bearers]

    def take(case: Case) -> Sample:
        return measure_load(case.load, bearers[case.who], scale.seconds, scale.warm_up_seconds)

    results = Results(earlier.name if earlier else "")
    results.measure(cases, take, scale.rounds)
    return results
