"""`python -m bench.neighbours`: one site far above its limit, beside quiet ones.

Real processes on MariaDB. One client posts ten times what a site may have; each quiet site gets an
event a second, and is asked for until it is counted. All of theirs must be taken, and the loud one
have what its limit lets through.
"""

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import quantiles

from bench.against.compare import one_directory
from bench.against.programs import migrate
from bench.against.storing import Servers
from bench.against.versions import THIS
from bench.exact import started
from shared.queue.limits import BURST_MS
from tests.servers import MariaDbServer, ValkeyServer
from tests.stack import Client

LOUD = "loud.example"
QUIET_SITES = 10
TIMES = 10
POST_EVENTS = 100
QUIET_SECONDS = 1.0
ASK_SECONDS = 0.05
GIVE_UP_SECONDS = 30.0


@dataclass
class Seen:
    """What became of events: by status, and seconds from the answer until they were counted."""

    loud: Counter[int] = field(default_factory=Counter)
    quiet: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


def paced(until: float, every: float, act: Callable[[], None]) -> None:
    """Do it at these moments; late, where it takes longer, but each time."""
    due = time.monotonic()
    while due < until:
        time.sleep(max(0.0, due - time.monotonic()))
        act()
        due += every


def be_loud(url: str, limit: int, until: float, seen: Seen) -> None:
    client = Client(url)
    body = [{"site_id": LOUD, "event_type": "page_view", "path": "/"}] * POST_EVENTS

    def post() -> None:
        status, _ = client.post(body, "/events")
        seen.loud[status] += POST_EVENTS

    paced(until, POST_EVENTS / (TIMES * limit), post)
    client.connection.close()


def be_quiet(number: int, door: str, reporting: str, until: float, seen: Seen) -> None:
    posting, asking, site_id = Client(door), Client(reporting), f"quiet-{number}.example"
    taken = 0
    time.sleep(number * QUIET_SECONDS / QUIET_SITES)

    def post() -> None:
        nonlocal taken
        status, _ = posting.post({"site_id": site_id, "event_type": "page_view", "path": "/"})
        answered = time.monotonic()
        seen.quiet[status] += 1
        taken += status == 202
        while time.monotonic() - answered < GIVE_UP_SECONDS:
            _, answer = asking.get("/stats", site_id=site_id)
            if answer["total_views"] >= taken:
                break
            time.sleep(ASK_SECONDS)
        seen.seconds.append(time.monotonic() - answered)

    paced(until, QUIET_SECONDS, post)
    for client in (posting, asking):
        client.connection.close()


def run(servers: Servers, database: str, limit: int, seconds: float) -> Seen:
    with servers.empty(database) as environment, ExitStack() as stack:
        environment["SITE_EVENTS_PER_SECOND"] = limit
        migrate(THIS, environment)
        door, reporting, *_ = started(THIS, environment, 1, stack)
        seen, until = Seen(), time.monotonic() + seconds
        loud = threading.Thread(target=be_loud, args=(door.url, limit, until, seen))
        loud.start()
        with ThreadPoolExecutor(QUIET_SITES) as pool:
            for each in [
                pool.submit(be_quiet, number, door.url, reporting.url, until, seen)
                for number in range(QUIET_SITES)
            ]:
                each.result()
        loud.join()
        return seen


def faults_of(seen: Seen, limit: int, seconds: float) -> list[str]:
    """In one more second, and with one request more than finds room."""
    most = limit * (seconds + 1 + BURST_MS / 1000) + POST_EVENTS
    faults = []
    if set(seen.quiet) != {202}:
        faults.append(f"quiet sites were answered {dict(seen.quiet)}")
    if set(seen.loud) - {202, 429}:
        faults.append(f"the loud one was answered {dict(seen.loud)}")
    if not limit * seconds * 0.9 <= seen.loud[202] <= most:
        faults.append(f"the loud one has {seen.loud[202]} events, of {most:.0f} that it may")
    if max(seen.seconds) >= GIVE_UP_SECONDS:
        faults.append("events of quiet sites were not counted")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=500, help="events a second of a site")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="mariadb")
    arguments = parser.parse_args()
    if not MariaDbServer.is_installed():
        sys.exit(MariaDbServer.advice)
    with ExitStack() as stack:
        stack.enter_context(one_directory())
        valkey = stack.enter_context(ValkeyServer())
        servers = Servers(valkey, stack.enter_context(MariaDbServer()))
        seen = run(servers, arguments.database, arguments.limit, arguments.seconds)
    p50, p99 = (quantiles(seen.seconds, n=100)[at - 1] for at in (50, 99))
    print(
        f"loud: {dict(seen.loud)}; quiet: {dict(seen.quiet)},"
        f" from 202 to /stats p50 {p50:.2f} s, p99 {p99:.2f} s, at most {max(seen.seconds):.2f} s"
    )
    faults = faults_of(seen, arguments.limit, arguments.seconds)
    print(*faults, sep="\n", end="\n" if faults else "")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
