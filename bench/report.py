"""What a benchmark promises and found: printed, and kept in bench/results."""

import json
import operator
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
COMPARE = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}
TO_THE_RIGHT = "---:"


@dataclass(frozen=True)
class Bar:
    """A figure, and what it should be: `< 50`; empty where nothing is promised."""

    name: str
    figure: float
    bar: str

    @property
    def is_met(self) -> bool:
        if not self.bar:
            return True
        sign, bound = self.bar.split()
        return bool(COMPARE[sign](self.figure, float(bound)))


def note(message: str) -> None:
    """Say on standard error how far it is."""
    print(message, file=sys.stderr, flush=True)


def print_bars(bars: list[Bar]) -> None:
    print(f"{'':66}{'figure':>12}  bar")
    for bar in bars:
        missed = "" if bar.is_met else "  MISSED"
        print(f"{bar.name:66}{bar.figure:>12,.2f}  {bar.bar}{missed}")


def as_json(bars: list[Bar]) -> dict[str, Any]:
    return {bar.name: {"value": bar.figure, "bar": bar.bar} for bar in bars}


def as_markdown(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table whose first columns, so many, are text, and the others figures."""
    under = [*["---"] * texts, *[TO_THE_RIGHT] * (len(heads) - texts)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, under, *rows])


def bars_as_markdown(bars: list[Bar]) -> str:
    """A row a bar; what is missed says so."""
    rows = [
        (bar.name, f"{bar.figure:,.2f}", f"{bar.bar}{'' if bar.is_met else ' **missed**'}")
        for bar in bars
    ]
    return as_markdown(("", "figure", "bar"), rows)


def save(name: str, scale: Any, **found: Any) -> None:
    """Write what was found to bench/results/NAME.json; `scale` is a dataclass."""
    RESULTS.mkdir(exist_ok=True)
    result = {
        "measured_at": datetime.now(UTC).isoformat(),
        "python": platform.python_version(),
        "scale": asdict(scale),
        **found,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nwritten to bench/results/{path.name}")
