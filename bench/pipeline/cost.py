"""What a pipeline's parts cost: CPU time, user and system."""

from typing import NamedTuple, Self


class Cost(NamedTuple):
    """Seconds of the workers, the periodic process, the database's server and Valkey."""

    worker: float = 0.0
    upkeep: float = 0.0
    database: float = 0.0
    valkey: float = 0.0

    @property
    def together(self) -> float:
        """Without Valkey, whose part is the door's as well."""
        return self.worker + self.upkeep + self.database

    def since(self, before: "Cost") -> Self:
        return type(self)(*(now - then for now, then in zip(self, before, strict=True)))

    def as_cells(self, events: int) -> list[str]:
        """Microseconds an event, in the order of COST_HEADS."""
        parts = (self.together, self.worker, self.upkeep, self.database, self.valkey)
        return [f"{1e6 * part / events:.1f}" for part in parts]


COST_HEADS = ("CPU µs an event", "worker", "upkeep", "database", "Valkey, apart")
