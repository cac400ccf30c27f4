"""The door under wrk: single events at 16 connections, and batches of 100; also where a thousand
sites have settings, against which each event is held, and each a key, which each request has."""

import json
import os
import socket
import sys

from bench.wrk import Measured, run_wrk
from shared.keys.keys import Key, Kind, digest_of
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.sites.published import PublishedSites
from shared.sites.settings import settings_from
from tests.servers import ROOT, Server, ServiceProcess, ValkeyServer, free_port

CONNECTIONS = 16
WARM_UP_SECONDS = 1
BATCH = 100
# Server and threads, which the door has on gunicorn only; on Granian the baselines have them.
SETUPS = ("granian-4", "gunicorn-4")
# No bound on what waits is reached.
UNBOUNDED = {"MAX_BACKLOG": 1_000_000_000, "MAX_BACKLOG_BYTES": 1_000_000_000_000}
# Both are the door: with nothing set for any site, and with these settings.
OURS = ("footfall", "sites")
SITES = 1000
SITE_SETTINGS = {
    "hosts": ["shop.example", "*.shop.example"],
    "excluded_paths": ["/admin/*", "*/edit", "/intern/*.json"],
    "excluded_users": ["owner", "tester"],
    "kept_parameters": ["p"],
}
KEY = "ff_site1"
# Limits that nobody comes near: each event is charged to all three.
NEVER_REACHED = {
    "SITE_EVENTS_PER_SECOND": 1_000_000,
    "ADDRESS_EVENTS_PER_SECOND": 1_000_000,
}
MOST_A_DAY = 1_000_000_000
KEY_ASKED = {"API_AUTH": "of-everything", "INGEST_AUTH": "true"}
EVENT = {
    "site_id": "site-1",
    "event_type": "page_view",
    "path": "/pricing",
    "user_id": "user-12345",
    "timestamp": "2025-11-15T10:00:00Z",
    "referrer": "https://example.org/a",
}


class Baseline(Server):
    """A function of bench.baselines on Granian (`granian` is its WSGI, `rsgi` its own interface)
    or gunicorn, with the settings that the door has."""

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
        if self.server != "gunicorn":
            interface = "rsgi" if self.server == "rsgi" else "wsgi"
            options = ["--interface", interface, "--log-level", "error"]
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
    if app not in OURS:
        server, _, threads = setup.partition("-")
        return Baseline(server, int(threads), app, redis_url)
    asked = {**KEY_ASKED, **NEVER_REACHED} if app == "sites" else {}
    return ServiceProcess("ingestion", {**door_settings(setup, redis_url), **asked})


def door_settings(setup: str, redis_url: str) -> dict[str, object]:
    server, _, threads = setup.partition("-")
    return {
        "INGESTION_SERVER": server,
        "INGESTION_THREADS": threads,
        "REDIS_URL": redis_url,
        **UNBOUNDED,
    }


def measure(
    valkey: ValkeyServer, setup: str, app: str, *, seconds: int, batch: int = 1
) -> Measured:
    """One run of so many seconds against a fresh server and an empty Redis."""
    with valkey.client() as client:
        client.flushall()
    if app == "sites":
        publish_settings(valkey.url)
    with make_target(setup, app, valkey.url) as target:
        url = f"{target.url}/event"  # type: ignore[attr-defined]  # both kinds have one
        key = KEY if app == "sites" else ""
        post_events(url, WARM_UP_SECONDS, batch=batch, key=key)
        return post_events(url, seconds, batch=batch, key=key)


def publish_settings(redis_url: str) -> None:
    """Of a thousand sites, that of the event among them, and a key of each, with a quota."""
    settings = settings_from(SITE_SETTINGS)
    queue = EventQueue(Settings(redis_url=redis_url))
    sites = {f"site-{number}": settings for number in range(SITES)}
    keys = {
        digest_of(f"ff_site{number}"): Key(
            str(number), Kind.INGEST, (f"site-{number}",), events_per_day=MOST_A_DAY
        )
        for number in range(SITES)
    }
    PublishedSites(queue).replace(b"", "", sites, keys)
    queue.close()


def post_events(
    url: str, seconds: int, *, batch: int = 1, connections: int = CONNECTIONS, key: str = ""
) -> Measured:
    """Each connection posts requests of so many events without pause."""
    body = json.dumps(EVENT if batch == 1 else [EVENT] * batch)
    return run_wrk(url, seconds, connections, body, key)
