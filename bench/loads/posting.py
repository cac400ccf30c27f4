"""One load on one door, measured: each time on a fresh server and an empty Redis of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from bench.against.programs import Program, cpu_seconds
from bench.against.versions import Version
from bench.door import UNBOUNDED, Baseline, post_events
from bench.loads.load import Load
from bench.wrk import Measured
from tests.servers import ValkeyServer


class Sample(NamedTuple):
    """Events a second, the p99 of requests in ms, and the CPU that an event costs the door's
    processes and Redis together: user and system, in seconds.

    `beside` are the events a second of the connection that posts batches meanwhile.
    """

    per_second: float
    p99_ms: float
    cpu_seconds: float
    beside: float


NOBODY = Measured(0.0, 0.0, 0)

Served = Program | Baseline
# Starts nothing yet: what bears a load, given the Redis that it is to use.
Bearer = Callable[[Load, ValkeyServer], Served]


def version_bearer(version: Version) -> Bearer:
    """The version's ingestion, with its own defaults."""

    def ingestion(load: Load, valkey: ValkeyServer) -> Program:
        given = {"REDIS_URL": valkey.url, "INGESTION_PROCESSES": load.processes, **UNBOUNDED}
        return Program(version, "ingestion", given)

    return ingestion


def job_bearer(_: Load, valkey: ValkeyServer) -> Baseline:
    return Baseline("gunicorn", 4, "job_per_event", valkey.url)


def bare_bearer(_: Load, valkey: ValkeyServer) -> Baseline:
    return Baseline("rsgi", 1, "bare_rsgi", valkey.url)


def measure_load(load: Load, bearer: Bearer, seconds: int, warm_up_seconds: int) -> Sample:
    """CannotRun where it does not start, RuntimeError where an event was not taken."""
    with (
        ValkeyServer({"appendfsync": load.fsync}) as valkey,
        bearer(load, valkey) as served,
    ):
        if warm_up_seconds:
            post(load, served, warm_up_seconds)
        working = [served, valkey]
        if load.spools:
            valkey.kill()
            working.remove(valkey)
        before = cpu_seconds(*working)
        asked, beside = post(load, served, seconds)
        used = cpu_seconds(*working) - before
    events = asked.requests * load.batch + beside.requests * load.beside
    rates = (asked.rate * load.batch, beside.rate * load.beside)
    return Sample(rates[0], asked.p99_ms, used / events, rates[1])


def post(load: Load, served: Served, seconds: int) -> tuple[Measured, Measured]:
    """What was measured of the load's connections, and of the one beside them."""
    url = f"{served.url}/event"
    with ThreadPoolExecutor(1) as pool:
        if load.beside:
            batches = pool.submit(post_events, url, seconds, batch=load.beside, connections=1)
        asked = post_events(url, seconds, batch=load.batch, connections=load.connections)
        return asked, batches.result() if load.beside else NOBODY
