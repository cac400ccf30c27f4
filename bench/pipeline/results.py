"""What was measured of a pipeline's versions, or why it has no figure; as tables."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.against.programs import CannotRun
from bench.against.versions import Version
from bench.pipeline.cost import COST_HEADS, Cost
from bench.pipeline.loads import Case
from bench.pipeline.pace import Moment, pace_table
from bench.pipeline.quarter import Quarter
from bench.pipeline.running import Drained
from bench.pipeline.table import as_dicts, drained_table
from bench.report import as_markdown, note

T = TypeVar("T")

QUARTER_HEADS = (
    "90 days",
    "events",
    "events/s",
    "of thirds",
    "µs of worker, upkeep, database meanwhile",
    *COST_HEADS,
    "reporting, apart",
    "segments, apart",
    "/stats p95, ms",
    "bytes an event",
    "shared, apart",
)


@dataclass
class Results:
    """One value a round of each case; of the other parts, one value."""

    drained: dict[Case, list[Drained]] = field(default_factory=dict)
    quarters: dict[Version, Quarter] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, measure: Callable[[], T]) -> T | None:
        """What failed is said, is not tried again, and holds up nothing else."""
        if name in self.failed:
            return None
        note(name)
        try:
            return measure()
        except (AssertionError, CannotRun, RuntimeError) as error:
            note(f"failed: {error}")
            self.failed[name] = str(error)
            return None

    def tables(self) -> Iterator[str]:
        if self.drained:
            rows = [(case.load.name, case.version.name, of) for case, of in self.drained.items()]
            yield drained_table(rows)
        if self.quarters:
            rows_of = [quarter_row(version, of) for version, of in self.quarters.items()]
            yield as_markdown(QUARTER_HEADS, rows_of)
            yield disk_table(self.quarters)
        if self.moments:
            yield pace_table(self.moments)

    def as_json(self) -> dict[str, Any]:
        return {
            "drained": {
                f"{case.load.name}: {case.version.name}": as_dicts(of)
                for case, of in self.drained.items()
            },
            "quarters": {version.name: as_json(of) for version, of in self.quarters.items()},
            "pace": [moment._asdict() for moment in self.moments],
        }


def thirds_cost(cost: Cost, events: int) -> str:
    return ", ".join(f"{3e6 * part / events:.0f}" for part in cost[:3])


def quarter_row(version: Version, quarter: Quarter) -> Sequence[str]:
    return (
        version.name,
        f"{quarter.events:,}",
        f"{quarter.drained.per_second:,.0f}",
        ", ".join(f"{rate:,.0f}" for rate in quarter.thirds),
        "; ".join(thirds_cost(cost, quarter.events) for cost in quarter.costs),
        *quarter.drained.cost.as_cells(quarter.events),
        f"{1e6 * quarter.reporting / quarter.events:.1f}",
        f"{1e6 * quarter.at_end.together / quarter.events:.1f} ({quarter.segments:,})",
        f"{quarter.p95_ms:,.0f}",
        f"{quarter.bytes_an_event:,.0f}",
        f"{quarter.shared_growth / quarter.events:,.0f}",
    )


def disk_table(quarters: dict[Version, Quarter]) -> str:
    """Bytes an event, the largest table first, for as long as it is at least one."""
    sizes = {
        version.name: {name: of // quarter.events for name, of in quarter.tables.items()}
        for version, quarter in quarters.items()
    }
    names = {name for tables in sizes.values() for name, size in tables.items() if size}
    first = next(iter(sizes.values()))
    rows = [
        (name, *(f"{tables.get(name, 0):,}" for tables in sizes.values()))
        for name in sorted(names, key=lambda name: (-first.get(name, 0), name))
    ]
    return as_markdown(("disk, bytes an event", *sizes), rows)


def as_json(quarter: Quarter) -> dict[str, Any]:
    return quarter._asdict() | {
        "drained": as_dicts([quarter.drained])[0],
        "at_end": quarter.at_end._asdict(),
        "cpu_us": quarter.drained.cpu_us,
        "p95_ms": quarter.p95_ms,
        "bytes_an_event": quarter.bytes_an_event,
    }
