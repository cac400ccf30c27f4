"""`python -m bench.exact`: a large site, posted to real processes on MariaDB, exact to the event.

Events come in batches of a thousand; 9 % are more than an hour late. The clock runs from the first
post until nothing waits in Redis, nor to be merged. Then events, users and top paths of each day,
and of all days together, must be what was sent. With `--against COMMIT` that version does the same
before, and the ratio of the rates is said.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.against.compare import one_directory
from bench.against.programs import Program, cpu_seconds, migrate
from bench.against.storing import Environment, Servers
from bench.against.versions import THIS, Version, checked_out
from bench.report import note
from shared.clock import DAY_MS, HOUR_MS, iso_from_ms, now_ms
from tests.servers import MariaDbServer, Server, ValkeyServer
from tests.stack import Client

SITE = "large.example"
EVENTS = 3_000_000
# In so many events.
USERS, PATHS = 323_000, 46_000
LATE, LATEST_MS = 0.09, 2 * DAY_MS
POST_EVENTS = 1000
TOP_PATHS = 1000
BUFFER_POOL = "1G"
WAITING = ("spooled", "queued", "processing", "unmerged_events")
LOOK_SECONDS = 0.25
FULL_SECONDS = 0.5


@dataclass
class Day:
    """What was sent of a UTC day."""

    events: int = 0
    users: set[int] = field(default_factory=set)
    paths: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        """As /stats tells it."""
        ranked = sorted(self.paths.items(), key=lambda path: (-path[1], path[0].encode()))
        return {
            "total_views": self.events,
            "unique_users": len(self.users),
            "top_paths": [{"path": path, "views": views} for path, views in ranked[:TOP_PATHS]],
        }


@dataclass(frozen=True)
class Sent:
    """Bodies of requests, a line each, and what must be counted by the day's first ms."""

    file: Path
    events: int
    days: dict[int, Day]


def write_events(file: Path, events: int, seed: int) -> Sent:
    random_, now = random.Random(seed), now_ms()
    users, paths = (max(1, events * number // EVENTS) for number in (USERS, PATHS))
    days: dict[int, Day] = {}
    with file.open("w") as lines:
        for first in range(0, events, POST_EVENTS):
            posted = [
                make_event(random_, users, paths, now)
                for _ in range(min(POST_EVENTS, events - first))
            ]
            for event in posted:
                day = days.setdefault(event["timestamp"] // DAY_MS * DAY_MS, Day())
                day.events += 1
                day.users.add(int(event["user_id"][1:]))
                day.paths[event["path"]] += 1
            lines.write(json.dumps(posted) + "\n")
    return Sent(file, events, days)


def make_event(random_: random.Random, users: int, paths: int, now: int) -> dict[str, Any]:
    is_late = random_.random() < LATE
    ago = random_.randrange(HOUR_MS, LATEST_MS) if is_late else random_.randrange(HOUR_MS)
    return {
        "site_id": SITE,
        "event_type": "page_view",
        "timestamp": now - ago,
        "path": f"/page/{int(paths * random_.random() ** 3)}",
        "user_id": f"u{random_.randrange(users)}",
    }


@dataclass(frozen=True)
class Run:
    """How fast a version was, its mistakes, and the seconds of CPU that an event cost each process
    but the client."""

    per_second: float
    cpu_seconds: Mapping[str, float]
    faults: list[str]


def run(servers: Servers, version: Version, sent: Sent, workers: int) -> Run:
    with servers.empty("mariadb") as environment, ExitStack() as stack:
        migrate(version, environment)
        programs = started(version, environment, workers, stack)
        posting, asking = Client(programs[0].url), Client(programs[1].url)
        for client in (posting, asking):
            stack.callback(client.connection.close)
        named: list[tuple[str, Server]] = [(program.module, program) for program in programs]
        named += [("Valkey", servers.valkey), ("MariaDB", servers.mariadb)]
        before, began = cpu_by_name(named), time.perf_counter()
        post_all(posting, sent)
        note(f"{version.name}: posted after {time.perf_counter() - began:.0f} s")
        while is_waiting(asking):
            time.sleep(LOOK_SECONDS)
        elapsed = time.perf_counter() - began
        used = cpu_by_name(named) - before
        cpu = {name: seconds / sent.events for name, seconds in used.items()}
        return Run(sent.events / elapsed, cpu, list(faults_of(asking, sent)))


def cpu_by_name(named: Iterable[tuple[str, Server]]) -> Counter[str]:
    """In seconds, of all of one name together."""
    used: Counter[str] = Counter()
    for name, server in named:
        used[name] += cpu_seconds(server)  # type: ignore[assignment]  # a Counter of floats
    return used


def started(
    version: Version, environment: Environment, workers: int, stack: ExitStack
) -> list[Program]:
    modules = ["ingestion", "reporting", "worker.periodic", *["worker"] * workers]
    return [stack.enter_context(Program(version, module, environment)) for module in modules]


def post_all(client: Client, sent: Sent) -> None:
    with sent.file.open("rb") as lines:
        for body in lines:
            status, answer = client.post(body, "/events", **{"Content-Type": "application/json"})
            while status == 503:  # too much waits; it was kept nowhere
                time.sleep(FULL_SECONDS)
                status, answer = client.post(body, "/events")
            if status != 202 or answer["rejected"]:
                raise RuntimeError(f"POST /events: {status} {answer}")


def is_waiting(client: Client) -> bool:
    status, answer = client.get("/pipeline/status")
    # An earlier version has nothing that is not merged.
    return status != 200 or any(answer.get(name, 0) for name in WAITING)


def faults_of(client: Client, sent: Sent) -> Iterator[str]:
    everybody: Counter[str] = Counter()
    for day, there in sorted(sent.days.items()):
        everybody.update(there.paths)
        date = iso_from_ms(day)[:10]
        yield from unlike(client, there.told(), date, date)
    first, last = (iso_from_ms(moment(sent.days))[:10] for moment in (min, max))
    users = set().union(*(day.users for day in sent.days.values()))
    yield from unlike(client, Day(sent.events, users, everybody).told(), first, last)


def unlike(client: Client, expected: dict[str, Any], first: str, last: str) -> Iterator[str]:
    query = {"site_id": SITE, "from": first, "to": last, "limit": TOP_PATHS}
    status, answer = client.get("/stats", **query)
    for name, value in expected.items():
        if answer.get(name) != value:
            yield f"{first} to {last}: {status}, {name} is {answer.get(name)}, not {value}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--against", metavar="COMMIT")
    arguments = parser.parse_args()
    if not MariaDbServer.is_installed():
        sys.exit(MariaDbServer.advice)
    with ExitStack() as stack:
        stack.enter_context(one_directory())
        versions = [THIS]
        if arguments.against:
            versions.insert(0, stack.enter_context(checked_out(arguments.against)))
        directory = stack.enter_context(TemporaryDirectory(prefix="ff-"))
        note("making events")
        sent = write_events(Path(directory, "bodies"), arguments.events, arguments.seed)
        valkey = stack.enter_context(ValkeyServer())
        servers = Servers(valkey, stack.enter_context(MariaDbServer(BUFFER_POOL)))
        runs = {version: run(servers, version, sent, arguments.workers) for version in versions}
    report(runs)
    sys.exit(1 if any(found.faults for found in runs.values()) else 0)


def report(runs: dict[Version, Run]) -> None:
    for version, found in runs.items():
        print(
            f"{version.name}: {found.per_second:,.0f} events a second,"
            f" {1e6 * sum(found.cpu_seconds.values()):.0f} µs of CPU an event,"
            f" {len(found.faults)} differences"
        )
        print(", ".join(f"{name} {1e6 * cpu:.0f}" for name, cpu in found.cpu_seconds.items()))
        for fault in found.faults[:5]:
            print(fault[:200])
    first, *others = runs.values()
    for other in others:
        print(f"{other.per_second / first.per_second:.2f} times the rate")


if __name__ == "__main__":
    main()
