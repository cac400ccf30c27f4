"""The loads that are drained, as data, and one of them measured."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from bench.against.storing import Environment, Servers
from bench.against.versions import Version
from bench.pipeline.running import Drained, Pipeline
from bench.pipeline.traffic import Traffic, payloads
from shared.clock import HOUR_MS, now_ms

MARIADB = "mariadb"
NOW = now_ms()


@dataclass(frozen=True)
class Load:
    """Events of an hour, on so many sites that each have the same. With `batch`, every batch has
    so many."""

    name: str
    sites: int = 1
    workers: int = 1
    batch: int = 0

    @property
    def settings(self) -> Environment:
        return {"BATCH_SIZE": self.batch, "MAX_BATCH_SIZE": self.batch} if self.batch else {}


ONE = Load("one site")
SITES = Load("200 sites", 200)
EACH = Load("5,000 sites, one event of each a batch", 5000, batch=5000)
ONE_TWO = Load("one site, two workers", workers=2)
SITES_TWO = Load("200 sites, two workers", 200, workers=2)

# By what they are called on the command line.
LOADS = {
    "one": ONE,
    "sites": SITES,
    "each": EACH,
    "one-2": ONE_TWO,
    "sites-2": SITES_TWO,
}


class Case(NamedTuple):
    load: Load
    version: Version


@cache
def backlog(sites: int, events: int) -> list[bytes]:
    """The same for both versions, in all rounds."""
    return list(payloads(Traffic(events, NOW - HOUR_MS, HOUR_MS, sites)))


def measure_load(servers: Servers, case: Case, events: int) -> Drained:
    load = case.load
    with (
        servers.empty(MARIADB) as environment,
        Pipeline(case.version, servers, environment, load.workers, load.settings) as pipeline,
    ):
        return pipeline.drain(backlog(load.sites, events))
