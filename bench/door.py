"""The door under wrk: single events at 16 connections, and batches of 100."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ROOT, Server, ServiceProcess, ValkeyServer, free_port

CONNECTIONS = 16
WARM_UP_SECONDS = 1
BATCH = 100
# Server and threads: the default, and the fastest for behind a proxy that buffers requests.
SETUPS = ("granian-4", "granian-1", "gunicorn-4")
EVENT = {
    "site_id": "site-1",
    "event_type": "page_view",
    "path": "/pricing",
    "user_id": "user-12345",
    "timestamp": "2025-11-15T10:00:00Z",
    "referrer": "https://example.org/a",
}


@dataclass(frozen=True)
class Measured:
    """One run of wrk: requests a second, their 99th percentile in ms, and how many there were."""

    rate: float
    p99_ms: float
    requests: int


class Baseline(Server):
    """A function of bench.baselines on Granian or gunicorn, with the settings that the door has."""

    def __init__(self, server: str, threads: int, app: str, redis_url: str) -> None:
        super().__init__()
        self.server = server
        self.threads = str(threads)
        self.app = f"bench.baselines:{app}"
        self.redis_url = redis_url
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        if self.server == "granian":
            options = ["--interface", "wsgi", "--log-level", "error"]
            options += ["--blocking-threads", self.threads, "--port", str(self.port)]
            return [sys.executable, "-m", "granian", *options, self.app]
        options = ["-k", "gthread", "--threads", self.threads, "--log-level", "warning"]
        bind = ["--no-control-socket", "-b", f"127.0.0.1:{self.port}"]
        return [sys.executable, "-m", "gunicorn", *options, *bind, self.app]

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": self.redis_url,
        }

    def is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def make_target(setup: str, app: str, redis_url: str) -> Server:
    """`footfall` itself or one of the baselines; `setup` is a server and its number of threads."""
    if app != "footfall":
        server, _, threads = setup.partition("-")
        return Baseline(server, int(threads), app, redis_url)
    return ServiceProcess("ingestion", door_settings(setup, redis_url))


def door_settings(setup: str, redis_url: str) -> dict[str, object]:
    server, _, threads = setup.partition("-")
    return {
        "INGESTION_SERVER": server,
        "INGESTION_THREADS": threads,
        "REDIS_URL": redis_url,
        "MAX_BACKLOG": 1_000_000_000,
    }


def measure(
    valkey: ValkeyServer, setup: str, app: str, *, seconds: int, batch: int = 1
) -> Measured:
    """One run of so many seconds against a fresh server and an empty Redis."""
    with valkey.client() as client:
        client.flushall()
    with make_target(setup, app, valkey.url) as target:
        url = f"{target.url}/event"  # type: ignore[attr-defined]  # both kinds have one
        run_wrk(url, batch, WARM_UP_SECONDS)
        return run_wrk(url, batch, seconds)


def run_wrk(url: str, batch: int, seconds: int) -> Measured:
    """Requests a second and p99. Anything but 2xx is an error."""
    body = json.dumps(EVENT if batch == 1 else [EVENT] * batch)
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "post.lua")
        headers = 'wrk.headers["Content-Type"] = "application/json"'
        script.write_text(f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n{headers}\n')
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
        done = subprocess.run(
            [*command, "-s", str(script), url], check=True, capture_output=True, text=True
        )
    if "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout)
    rate = found(r"Requests/sec:\s+([\d.]+)", done.stdout)
    requests = found(r"(\d+) requests in", done.stdout)
    return Measured(rate, p99(done.stdout), int(requests))


def found(pattern: str, output: str) -> float:
    match = re.search(pattern, output)
    if match is None:
        raise RuntimeError(f"wrk said no {pattern}:\n{output}")
    return float(match.group(1))


def p99(output: str) -> float:
    match = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    if match is None:
        raise RuntimeError(f"wrk said no 99%:\n{output}")
    return float(match.group(1)) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match.group(2)]
