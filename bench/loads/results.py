"""What was measured under each load: a sample a round of each case, or why it has none."""

import statistics
from collections.abc import Callable, Sequence
from math import nan
from typing import Any, NamedTuple

from bench.against.programs import CannotRun
from bench.loads.load import EARLIER, Load
from bench.loads.posting import Sample
from bench.report import as_markdown, note

HEADS = ("load", "borne by", "events/s", "of rounds", "p99, ms", "CPU µs an event")
NOTHING = Sample(nan, nan, nan, nan)


class Case(NamedTuple):
    load: Load
    who: str


class Results:
    """`earlier` is what the report calls the earlier version."""

    def __init__(self, earlier: str) -> None:
        self.earlier = earlier
        self.samples: dict[Case, list[Sample]] = {}
        self.failed: dict[Case, str] = {}

    def measure(self, cases: Sequence[Case], take: Callable[[Case], Sample], rounds: int) -> None:
        """Each case in each round, every other round from the last to the first. One that failed
        is not tried again, and holds up no other."""
        self.samples = {case: [] for case in cases}
        for number in range(rounds):
            for case in cases if number % 2 == 0 else reversed(cases):
                if case in self.failed:
                    continue
                note(f"round {number + 1} of {rounds}: {case.load.name}: {self.name(case.who)}")
                try:
                    self.samples[case].append(take(case))
                except (CannotRun, RuntimeError) as error:
                    note(f"failed: {error}")
                    self.failed[case] = str(error)

    def __contains__(self, case: Case) -> bool:
        return case in self.samples

    def median(self, case: Case) -> Sample:
        """Of the rounds; not a number where the case failed in one of them."""
        if case in self.failed:
            return NOTHING
        return Sample(*map(statistics.median, zip(*self.samples[case], strict=True)))

    def name(self, who: str) -> str:
        return self.earlier if who == EARLIER else who

    def as_markdown(self) -> str:
        return as_markdown(HEADS, [self.row(case) for case in self.samples], texts=2)

    def row(self, case: Case) -> list[str]:
        names = [case.load.name, self.name(case.who)]
        if case in self.failed:
            return [*names, "failed", "", "", ""]
        sample = self.median(case)
        beside = f" + {sample.beside:,.0f}" if sample.beside else ""
        rates = [taken.per_second for taken in self.samples[case]]
        return [
            *names,
            f"{sample.per_second:,.0f}{beside}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
            f"{sample.p99_ms:.1f}",
            f"{1e6 * sample.cpu_seconds:.1f}",
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            f"{case.load.name}: {self.name(case.who)}": {
                "failed": self.failed.get(case, ""),
                "samples": [sample._asdict() for sample in samples],
            }
            for case, samples in self.samples.items()
        }
