"""What is measured of two versions in turn, and how it is compared and printed."""

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.against.programs import CannotRun
from bench.against.versions import Version
from bench.report import note


class Measured(NamedTuple):
    """Events or answers a second, and the seconds of CPU that one costs all processes together."""

    per_second: float
    cpu_seconds: float


Measures = Mapping[str, Callable[[Version], Measured]]


@dataclass
class Figure:
    """One value a round of each version; `missing` says why the earlier version gives none."""

    name: str
    this: list[Measured] = field(default_factory=list)
    earlier: list[Measured] = field(default_factory=list)
    missing: str = ""

    @property
    def ratio(self) -> float:
        """How much faster this tree is: of the medians."""
        return median(self.this).per_second / median(self.earlier).per_second

    @property
    def cpu_ratio(self) -> float:
        """How much more CPU it takes: of the medians."""
        this, earlier = (median(part).cpu_seconds for part in (self.this, self.earlier))
        # A run may be so short that the system's clock has not ticked.
        return this / earlier if earlier else math.nan

    @property
    def ratios(self) -> list[float]:
        """The ratio in each round: how far they are apart says how quiet the machine was."""
        pairs = zip(self.this, self.earlier, strict=True)
        return [this.per_second / earlier.per_second for this, earlier in pairs]


def median(measured: list[Measured]) -> Measured:
    return Measured(*(statistics.median(values) for values in zip(*measured, strict=True)))


def measure(measures: Measures, this: Version, earlier: Version, rounds: int) -> list[Figure]:
    """Each figure of both versions in each round: A B, in the next round B A, and so on.

    Only the earlier version may be unable to run; of this tree that is an error: CannotRun.
    """

    def measure_this(figure: Figure) -> None:
        figure.this.append(measures[figure.name](this))

    def measure_earlier(figure: Figure) -> None:
        if figure.missing:
            return
        try:
            figure.earlier.append(measures[figure.name](earlier))
        except CannotRun as error:
            figure.missing = str(error)
            note(f"{earlier.name} cannot run: {error}")

    figures = [Figure(name) for name in measures]
    for number in range(rounds):
        turns = (measure_this, measure_earlier)
        for figure in figures:
            note(f"round {number + 1} of {rounds}: {figure.name}")
            for turn in turns if number % 2 == 0 else reversed(turns):
                turn(figure)
    return figures


def print_figures(figures: list[Figure], earlier: str, bar: float) -> None:
    """A line a figure: what it is a second in each version, their ratio, and the CPU for one."""
    print(f"{'':46}{'a second':>20}{'':28}{'CPU µs each':>20}")
    heads = f"{'this tree':>10}{earlier:>10}{'ratio':>8}{'of rounds':>14}"
    print(f"{'':46}{heads}{'':6}{'this tree':>10}{earlier:>10}{'ratio':>8}")
    for figure in figures:
        print(f"{figure.name:46}{line_of(figure, bar)}")


def line_of(figure: Figure, bar: float) -> str:
    this = median(figure.this)
    if figure.missing:
        return f"{this.per_second:>10,.0f}{'-':>10}  not compared: {figure.missing}"
    earlier = median(figure.earlier)
    rates = f"{this.per_second:>10,.0f}{earlier.per_second:>10,.0f}{figure.ratio:>8.3f}"
    rounds = f"{min(figure.ratios):.2f} to {max(figure.ratios):.2f}"
    cpu = "".join(f"{1e6 * measured.cpu_seconds:>10,.1f}" for measured in (this, earlier))
    missed = "" if figure.ratio >= bar else "  MISSED"
    return f"{rates}{rounds:>14}{'':6}{cpu}{figure.cpu_ratio:>8.3f}{missed}"


def as_json(figure: Figure) -> dict[str, Any]:
    """All that was measured, a value a round."""
    return {
        "ratio": None if figure.missing else figure.ratio,
        "cpu_ratio": None if figure.missing else figure.cpu_ratio,
        "missing": figure.missing,
        "this": [measured._asdict() for measured in figure.this],
        "earlier": [measured._asdict() for measured in figure.earlier],
    }
