"""What clients that stall cost the others: `python -m bench.stalled`, on ingestion and reporting.

Thousands of connections send half of a head, half of a body, or nothing, and are kept; meanwhile a
normal client asks. Rounds without and with them take turns, so that a slow minute slows both.
"""

import argparse
import resource
import shutil
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product, starmap
from typing import NamedTuple

import psutil

from bench.against.programs import cpu_seconds
from bench.door import UNBOUNDED, WARM_UP_SECONDS, post_events
from bench.report import Bar, as_json, note, print_bars, save
from bench.wrk import Measured, run_wrk
from shared.db.database import writing_engine
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import ServiceProcess, ValkeyServer

# Of a request to either service's own route.
HALVES = {
    "half a head": "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Ag",
    "half a body": "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{",
    "nothing": "",
}
CONNECTIONS = 8
OTHER_FILES = 200
# With so many stalled, a normal client keeps its speed; with more, it is served.
PROMISED = 1000

# What a normal client does at a URL for so many seconds.
Ask = Callable[[str, int], Measured]


def ask(path: str, url: str, seconds: int) -> Measured:
    return run_wrk(url + path, seconds, CONNECTIONS)


def post(url: str, seconds: int) -> Measured:
    return post_events(f"{url}/event", seconds, connections=CONNECTIONS)


@dataclass(frozen=True)
class Kind:
    """A service: where its clients stall, and what a normal one asks, by name; the first of these
    is answered in less than 10 ms."""

    method: str
    path: str
    asks: Mapping[str, Ask]


STATS = "/stats?site_id=a"
SERVICES = {
    "ingestion": Kind("POST", "/event", {"/event": post}),
    "reporting": Kind(
        "GET", STATS, {"/health": partial(ask, "/health"), "/stats": partial(ask, STATS)}
    ),
}


@dataclass(frozen=True)
class Scale:
    """How many connections stall and where, rounds to take the median of, and seconds of wrk."""

    stalled: tuple[int, ...] = (1000, 5000)
    rounds: int = 5
    seconds: int = 3
    halves: tuple[str, ...] = tuple(HALVES)
    services: tuple[str, ...] = tuple(SERVICES)


QUICK = Scale(stalled=(50,), rounds=1, seconds=1)


class Stall(NamedTuple):
    """So many connections to a service that send a half, and no more."""

    module: str
    number: int
    half: str

    def __str__(self) -> str:
        return f"{self.module}, {self.number} with {self.half}"

    @property
    def sent(self) -> bytes:
        kind = SERVICES[self.module]
        return HALVES[self.half].format(method=kind.method, path=kind.path).encode()


@dataclass
class Asked:
    """What one ask found: a value a round, without and with those that stall."""

    rates: list[float] = field(default_factory=list)
    p99s_ms: list[float] = field(default_factory=list)
    usual_p99s_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def add(self, without: Measured, among: Measured, used_seconds: float) -> None:
        self.rates.append(among.rate / without.rate)
        self.p99s_ms.append(among.p99_ms)
        self.usual_p99s_ms.append(without.p99_ms)
        self.cpu_us.append(1e6 * used_seconds / among.requests)

    def bars(self, name: str, rate_bar: str, p99_bar: str) -> list[Bar]:
        median = statistics.median
        return [
            Bar(f"{name}, rate / without", median(self.rates), rate_bar),
            Bar(f"{name}, p99 ms", median(self.p99s_ms), p99_bar),
            Bar(f"{name}, p99 ms without", median(self.usual_p99s_ms), ""),
            Bar(f"{name}, CPU µs each", median(self.cpu_us), ""),
        ]


@contextmanager
def stalled(service: ServiceProcess, sent: bytes, number: int) -> Iterator[None]:
    with ExitStack() as held:
        for _ in range(number):
            made = socket.create_connection(("127.0.0.1", service.port), timeout=60)
            held.enter_context(made)
            made.sendall(sent)
        yield


def memory_bytes(service: ServiceProcess) -> int:
    assert service.process is not None
    children = psutil.Process(service.process.pid).children(recursive=True)
    return sum(child.memory_info().rss for child in children)


def measure(service: ServiceProcess, valkey: ValkeyServer, stall: Stall, scale: Scale) -> list[Bar]:
    """The figures of one kind of stalled client. RuntimeError or OSError where nobody is served."""
    asks = SERVICES[stall.module].asks
    found = {name: Asked() for name in asks}
    grown_bytes = []
    for _ in range(scale.rounds):
        without = {name: do(service.url, scale.seconds) for name, do in asks.items()}
        before = memory_bytes(service)
        with stalled(service, stall.sent, stall.number):
            for name, do in asks.items():
                used = cpu_seconds(service, valkey)
                among = do(service.url, scale.seconds)
                found[name].add(without[name], among, cpu_seconds(service, valkey) - used)
            # By now all of them have been accepted.
            grown_bytes.append(memory_bytes(service) - before)
    # What was freed after the first round, the next ones find there.
    each = max(grown_bytes) / stall.number / 1024
    return [Bar(f"{stall}: kB each", each, ""), *bars_of(stall, found)]


def bars_of(stall: Stall, found: Mapping[str, Asked]) -> Iterator[Bar]:
    is_promised = stall.number <= PROMISED
    for number, (name, asked) in enumerate(found.items()):
        p99_bar = "< 10" if is_promised and number == 0 else ""
        yield from asked.bars(f"{stall}: {name}", ">= 0.8" if is_promised else "", p99_bar)


def measure_served(
    service: ServiceProcess, valkey: ValkeyServer, stall: Stall, scale: Scale
) -> list[Bar]:
    """The figures, where a normal client is served; that it is not is a figure as well."""
    note(str(stall))
    try:
        for do in SERVICES[stall.module].asks.values():
            do(service.url, WARM_UP_SECONDS)
        bars = measure(service, valkey, stall, scale)
    except (RuntimeError, OSError) as error:
        note(f"not served: {error}")
        return [Bar(f"{stall}: served", 0, ">= 1")]
    return [Bar(f"{stall}: served", 1, ">= 1"), *bars]


def measure_all(scale: Scale, server: str) -> list[Bar]:
    """On `server`, granian or gunicorn; Valkey with `appendfsync always`."""
    allow_files(scale)
    bars: list[Bar] = []
    valkey_server = ValkeyServer({"appendfsync": "always"})
    with valkey_server as valkey, tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/footfall.db"
        engine = writing_engine(Settings(redis_url=valkey.url, database_url=url))
        migrate(engine)
        engine.dispose()
        given: dict[str, object] = {
            "REDIS_URL": valkey.url,
            "DATABASE_URL": url,
            "INGESTION_SERVER": server,
            "REPORTING_SERVER": server,
            **UNBOUNDED,
        }
        for stall in starmap(Stall, product(scale.services, scale.stalled, scale.halves)):
            with ServiceProcess(stall.module, given) as service, valkey.client() as client:
                client.flushall()
                bars += measure_served(service, valkey, stall, scale)
    return bars


def allow_files(scale: Scale) -> None:
    """Raise this process's limit of open files to what is held, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(scale.stalled) + OTHER_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, wanted)), hard))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it work?")
    parser.add_argument("--server", choices=["granian", "gunicorn"], default="granian")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; to get it: apt-get install wrk")
    scale = QUICK if arguments.quick else Scale()
    bars = measure_all(scale, arguments.server)
    print_bars(bars)
    name = "stalled-quick" if arguments.quick else "stalled"
    save(name, scale, bars=as_json(bars))


if __name__ == "__main__":
    main()
