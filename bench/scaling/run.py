"""`make bench ARGS='--scaling'`: how workers scale where the cores are not the limit.

A proxy keeps each statement back for as long as it takes for one worker to store RATE events a
second; then 1, 2, 4 and 8 workers store a backlog in proportion to their number, on one site and on
200. All of it takes a quarter of an hour, on loopback.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bench.against.storing import Servers
from bench.batches import Traffic, make_batches
from bench.report import as_markdown, note, save
from bench.scaling.drain import Drained, drain
from tests.servers import MariaDbServer, ValkeyServer

BAR = 0.85
# Where a calibrating run begins; then the delay is what is missing at each command.
FIRST_DELAY_MS = 10.0
HEADS = (
    "sites",
    "workers",
    "events/s",
    "times one",
    "of linear",
    "commands a batch",
    "waits for locks",
    "waited, of their time",
    "deadlocks",
    "cores used",
    "cores idle",
    "unmerged",
)


@dataclass(frozen=True)
class Scale:
    """What one worker is to store a second, events of a batch, seconds of work for each worker,
    batches to calibrate by, rounds to take the median of, and how many workers on how many
    sites."""

    rate: int = 1750
    batch: int = 1000
    seconds: int = 25
    calibrating: int = 8
    rounds: int = 1
    workers: tuple[int, ...] = (1, 2, 4, 8)
    sites: tuple[int, ...] = (1, 200)

    @property
    def events(self) -> int:
        """Of each worker, in whole batches."""
        return max(1, self.rate * self.seconds // self.batch) * self.batch


QUICK = Scale(seconds=2, calibrating=1, workers=(1, 2), sites=(1,))


class Case(NamedTuple):
    sites: int
    workers: int


# Of each case, what each round found.
Found = dict[Case, list[Drained]]


def measure_scaling(rounds: int | None, rate: int | None, *, quick: bool) -> int:
    """Measure, print a table in Markdown, and write down; 0 where all is near enough to linear.

    The short form holds nothing against its bar.
    """
    scale = QUICK if quick else Scale()
    scale = replace(scale, rounds=rounds or scale.rounds, rate=rate or scale.rate)
    found: Found = {}
    delays: dict[int, float] = {}
    with ValkeyServer() as valkey, MariaDbServer(buffer_pool="1G") as mariadb:
        servers = Servers(valkey, mariadb)
        for sites in scale.sites:
            payloads = make_payloads(scale, sites)
            delays[sites] = calibrate(servers, payloads, scale)
            note(f"{sites} sites: each command is kept back for {delays[sites]:.1f} ms")
            for _ in range(scale.rounds):
                for workers in scale.workers:
                    some = payloads[: workers * scale.events]
                    drained = drain(servers, some, workers, scale.batch, delays[sites])
                    note(f"{workers} workers: {drained.rate:,.0f} events a second")
                    found.setdefault(Case(sites, workers), []).append(drained)
    print(as_table(found, scale))
    efficiencies = {name_of(case): efficiency(found, case) for case in found}
    save(
        f"scaling{'-quick' * quick}",
        scale,
        delay_ms=delays,
        of_linear=efficiencies,
        samples={name_of(case): [one._asdict() for one in its] for case, its in found.items()},
    )
    return int(not quick and min(efficiencies.values()) < BAR)


def make_payloads(scale: Scale, sites: int) -> list[bytes]:
    """Events of the last hour, most of them of new users, for as many workers as there will be."""
    events = max(scale.workers) * scale.events
    batches = make_batches(Traffic(sites, events, scale.batch))
    return [payload for batch in batches for payload in batch.payloads]


def calibrate(servers: Servers, payloads: Sequence[bytes], scale: Scale) -> float:
    """By how many ms to keep each command back, so that one worker stores so many a second.

    Twice: the first run also tells how many commands a batch takes, with connecting.
    """
    delay_ms = FIRST_DELAY_MS
    for _ in range(2):
        some = payloads[: scale.calibrating * scale.batch]
        alone = drain(servers, some, 1, scale.batch, delay_ms)
        missing_ms = 1000 * (alone.events / scale.rate - alone.seconds)
        delay_ms = max(0.0, delay_ms + missing_ms / alone.commands)
    return delay_ms


def rate_of(found: Found, case: Case) -> float:
    return statistics.median(drained.rate for drained in found[case])


def efficiency(found: Found, case: Case) -> float:
    """The rate, of as many times that of one worker on as many sites."""
    return rate_of(found, case) / case.workers / rate_of(found, Case(case.sites, 1))


def name_of(case: Case) -> str:
    return f"{case.sites} sites, {case.workers} workers"


def as_table(found: Found, scale: Scale) -> str:
    return as_markdown(HEADS, [row_of(found, case, scale) for case in found], texts=2)


def row_of(found: Found, case: Case, scale: Scale) -> list[str]:
    """Rates are medians of the rounds; all else is the last round's."""
    of_linear, last = efficiency(found, case), found[case][-1]
    missed = " **missed**" if of_linear < BAR else ""
    return [
        str(case.sites),
        str(case.workers),
        f"{rate_of(found, case):,.0f}",
        f"{of_linear * case.workers:.2f}",
        f"{of_linear:.2f}{missed}",
        f"{last.commands * scale.batch / last.events:.1f}",
        f"{last.waits:,}",
        f"{last.waited_ms / 1000 / (last.seconds * case.workers):.1%}",
        str(last.deadlocks),
        f"{last.cores:.2f}",
        f"{last.idle:.2f}",
        f"{last.unmerged:,}",
    ]
