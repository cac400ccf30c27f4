"""Drained backlogs as a table in Markdown: the medians of rounds."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from bench.pipeline.cost import COST_HEADS, Cost
from bench.pipeline.running import Drained
from bench.report import as_markdown

HEADS = ("backlog", "version", "events/s", "of rounds", "stored/s", *COST_HEADS)


def median(taken: Sequence[Drained]) -> Drained:
    """Of each part by itself."""
    costs = zip(*(drained.cost for drained in taken), strict=True)
    return Drained(
        taken[0].events,
        statistics.median(drained.stored_seconds for drained in taken),
        statistics.median(drained.seconds for drained in taken),
        Cost(*map(statistics.median, costs)),
    )


def drained_table(rows: Iterable[tuple[str, str, Sequence[Drained]]]) -> str:
    """A row each: the backlog's name, the version's, and what was measured in each round."""
    return as_markdown(HEADS, [row(*given) for given in rows], texts=2)


def row(name: str, version: str, taken: Sequence[Drained]) -> list[str]:
    if not taken:
        return [name, version, "failed", *[""] * (len(HEADS) - 3)]
    of_all = median(taken)
    rates = [drained.per_second for drained in taken]
    return [
        name,
        version,
        f"{of_all.per_second:,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        f"{of_all.stored_per_second:,.0f}",
        *of_all.cost.as_cells(of_all.events),
    ]


def as_dicts(taken: Iterable[Drained]) -> list[dict[str, Any]]:
    return [drained._asdict() | {"cost": drained.cost._asdict()} for drained in taken]
