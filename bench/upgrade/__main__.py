"""`python -m bench.upgrade`: whether an upgrade under load loses or doubles anything, or lets a
client see an error but to come again.

An earlier commit gives way to this tree, a service after another, on SQLite and on MariaDB. Workers
of both store at once, while they and the periodic process are killed at random. Ends with 1 where
anything is not as it should be.
"""

import argparse
import sys
import time
from itertools import product

from bench.against.compare import one_directory
from bench.against.storing import DATABASES, Servers
from bench.against.versions import Version, checked_out
from bench.report import note
from bench.upgrade.beside import KILLED_AT, Plan, Upgrade
from tests.servers import MariaDbServer, ValkeyServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="commits", nargs="+", default=KILLED_AT, metavar="COMMIT")
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--kills", type=float, default=3.0, help="the most seconds between two")
    parser.add_argument("--database", choices=DATABASES, nargs="+", default=DATABASES)
    arguments = parser.parse_args()
    wrong = 0
    with one_directory(), ValkeyServer() as valkey, MariaDbServer() as mariadb:
        servers = Servers(valkey, mariadb)
        for commit, seed in product(arguments.commits, arguments.seeds):
            with checked_out(commit) as earlier:
                for database in arguments.database:
                    plan = Plan(arguments.events, seed, arguments.kills)
                    wrong += upgrade(servers, database, earlier, plan)
    sys.exit(1 if wrong else 0)


def upgrade(servers: Servers, database: str, earlier: Version, plan: Plan) -> int:
    """Returns how many faults were found, and tells of them."""
    started = time.monotonic()
    with servers.empty(database) as environment:
        found = Upgrade(servers, environment, earlier, plan).run()
    print(
        f"{database}, seed {plan.seed}: {found.earlier_batches} batches stored by"
        f" {earlier.name}, {found.batches} by this tree, {found.kills} kills,"
        f" {time.monotonic() - started:.0f} s: {len(found.faults)} faults",
        flush=True,
    )
    for fault in found.faults[:20]:
        note(fault)
    return len(found.faults)


if __name__ == "__main__":
    main()
