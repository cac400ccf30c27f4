"""`python -m bench.chaos`: seeded runs in which everything goes wrong, again and again.

Each seed names the faults, their order and how long each lasts; a seed that fails is printed with
all of them, and is played again by `--seed N --database D --server S`. It ends by itself, at the
latest after so many minutes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from bench.chaos.run import Plan, timed
from tests.servers import MariaDbServer

DATABASES = ("sqlite", "mariadb")
SERVERS = ("granian", "gunicorn")


def plans(arguments: argparse.Namespace) -> Iterator[Plan]:
    """So many seeds of each database, whose doors take turns; or the one that was asked for."""
    databases = [arguments.database] if arguments.database else DATABASES
    servers = [arguments.server] if arguments.server else SERVERS
    if arguments.seed is not None:
        for database, server in product(databases, servers):
            yield Plan(arguments.seed, database, server, arguments.seconds)
        return
    for seed in range(1, arguments.seeds + 1):
        for database in databases:
            yield Plan(seed, database, servers[seed % len(servers)], arguments.seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="of each database; 1 up to this")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--database", choices=DATABASES)
    parser.add_argument("--server", choices=SERVERS)
    parser.add_argument("--seconds", type=float, default=15.0, help="of faults, a seed")
    parser.add_argument("--minutes", type=float, default=90.0, help="no seed begins after these")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    wrong = played = 0
    with ExitStack() as stack:
        mariadb = None
        for plan in plans(arguments):
            if time.monotonic() > deadline:
                break
            if plan.database == "mariadb" and mariadb is None:
                mariadb = stack.enter_context(MariaDbServer())
            its_own = mariadb if plan.database == "mariadb" else None
            with tempfile.TemporaryDirectory(prefix="ff-") as directory:
                line = timed(plan, Path(directory), its_own)
            print(line, flush=True)
            played += 1
            wrong += line.startswith("WRONG")
    print(f"{played} seeds, {wrong} of them wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
