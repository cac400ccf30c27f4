"""`python -m bench.upgrade`: whether an upgrade under load loses or doubles anything.

Workers of an earlier commit and of this tree store at once, on SQLite and on MariaDB, while they
and the periodic process are killed at random. Ends with 1 where anything is not as it should be.
"""

import argparse
import sys
import time

from bench.against.compare import one_directory
from bench.against.storing import DATABASES, Servers
from bench.against.versions import checked_out
from bench.report import note
from bench.upgrade.beside import BEFORE_APPENDING, Plan, Upgrade
from tests.servers import MariaDbServer, ValkeyServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="commit", default=BEFORE_APPENDING, metavar="COMMIT")
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--kills", type=float, default=3.0, help="the most seconds between two")
    parser.add_argument("--database", choices=DATABASES, nargs="+", default=DATABASES)
    arguments = parser.parse_args()
    wrong = 0
    with (
        one_directory(),
        checked_out(arguments.commit) as earlier,
        ValkeyServer() as valkey,
        MariaDbServer() as mariadb,
    ):
        servers = Servers(valkey, mariadb)
        for seed in arguments.seeds:
            for database in arguments.database:
                plan = Plan(arguments.events, seed, arguments.kills)
                started = time.monotonic()
                with servers.empty(database) as environment:
                    found = Upgrade(servers, environment, earlier, plan).run()
                wrong += len(found.faults)
                print(
                    f"{database}, seed {seed}: {found.earlier_batches} batches stored by"
                    f" {earlier.name}, {found.batches} by this tree, {found.kills} kills,"
                    f" {time.monotonic() - started:.0f} s: {len(found.faults)} faults"
                )
                for fault in found.faults[:20]:
                    note(fault)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
