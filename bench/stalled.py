"""What clients that stall cost the others: `python -m bench.stalled`, on reporting.

Thousands of connections send half of a head, half of a body, or nothing, and are kept; meanwhile a
normal client asks. Rounds without and with them take turns, so that a slow minute slows both.
"""

import argparse
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.door import Measured, found, p99
from bench.report import Bar, note, print_bars, save
from shared.db.database import writing_engine
from shared.settings import Settings
from tests.migration import migrate
from tests.servers import ServiceProcess, ValkeyServer

HALVES = {
    "half a head": b"GET /stats?site_id=a HTTP/1.1\r\nHost: localhost\r\nUser-Ag",
    "half a body": b"POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "nothing": b"",
}
PATHS = ("/health", "/stats?site_id=a")
CONNECTIONS = 8
OTHER_FILES = 200
WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Scale:
    """How many connections stall, rounds to take the median of, and seconds of wrk."""

    stalled: tuple[int, ...] = (1000, 5000)
    rounds: int = 5
    seconds: int = 3


QUICK = Scale(stalled=(50,), rounds=1, seconds=1)


def ask(service: ServiceProcess, path: str, seconds: int) -> Measured:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", service.url + path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout)
    rate = found(r"Requests/sec:\s+([\d.]+)", done.stdout)
    return Measured(rate, p99(done.stdout), int(found(r"(\d+) requests in", done.stdout)))


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


def measure(service: ServiceProcess, half: str, number: int, scale: Scale) -> list[Bar]:
    """The figures of one kind of stalled client."""
    rates: dict[str, list[float]] = {path: [] for path in PATHS}
    p99s: dict[str, list[float]] = {path: [] for path in PATHS}
    usual: dict[str, list[float]] = {path: [] for path in PATHS}
    before = memory_bytes(service)
    each = 0.0
    for _ in range(scale.rounds):
        without = {path: ask(service, path, scale.seconds) for path in PATHS}
        with stalled(service, HALVES[half], number):
            each = (memory_bytes(service) - before) / number / 1024
            for path in PATHS:
                among = ask(service, path, scale.seconds)
                rates[path].append(among.rate / without[path].rate)
                p99s[path].append(among.p99_ms)
                usual[path].append(without[path].p99_ms)
    of = f"{number} with {half}"
    bars = [Bar(f"{of}: kB each", each, "")]
    for path in PATHS:
        name = f"{of}: {path.partition('?')[0]}"
        bars.append(Bar(f"{name}, rate / without", statistics.median(rates[path]), ">= 0.8"))
        bound = "< 10" if path == "/health" else ""
        bars.append(Bar(f"{name}, p99 ms", statistics.median(p99s[path]), bound))
        bars.append(Bar(f"{name}, p99 ms without", statistics.median(usual[path]), ""))
    return bars


def measure_all(scale: Scale, server: str) -> list[Bar]:
    bars: list[Bar] = []
    with ValkeyServer() as valkey, tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        settings = Settings(redis_url=valkey.url, database_url=f"sqlite:///{here}/footfall.db")
        engine = writing_engine(settings)
        migrate(engine)
        engine.dispose()
        given = {"REDIS_URL": valkey.url, "DATABASE_URL": settings.database_url}
        for number in scale.stalled:
            for half in HALVES:
                note(f"{number} with {half}")
                with ServiceProcess("reporting", given | {"REPORTING_SERVER": server}) as service:
                    for path in PATHS:
                        ask(service, path, WARM_UP_SECONDS)
                    bars += measure(service, half, number, scale)
    return bars


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it work?")
    parser.add_argument("--server", choices=["granian", "gunicorn"], default="granian")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; to get it: apt-get install wrk")
    scale = QUICK if arguments.quick else Scale()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(scale.stalled) + OTHER_FILES), hard))
    bars = measure_all(scale, arguments.server)
    print_bars(bars)
    name = "stalled-quick" if arguments.quick else "stalled"
    save(name, scale, bars={bar.name: {"value": bar.figure, "bar": bar.bar} for bar in bars})


if __name__ == "__main__":
    main()
