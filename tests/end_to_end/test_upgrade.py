"""Earlier versions give way to this one, a service after another, under load: every event has one
outcome, and is told once, and no client sees more than that it has to come again.

`python -m bench.upgrade` does the same with more events, and kills more.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.against.storing import Servers
from bench.against.versions import Version, checked_out
from bench.upgrade.beside import BEFORE_APPENDING, BEFORE_SPARSE, Plan, Upgrade
from tests.conftest import require
from tests.servers import MariaDbServer, ValkeyServer

EVENTS = 2000
WHOLE = "the earlier version is taken from the whole history, and this is a shallow clone or none"


@pytest.fixture
def earlier(commit: str) -> Iterator[Version]:
    with ExitStack() as stack:
        try:
            version = stack.enter_context(checked_out(commit))
        except SystemExit as error:
            require(False, f"{WHOLE}: {error}")  # there is no such commit
        yield version


@pytest.mark.parametrize(
    ("commit", "database"),
    [(BEFORE_APPENDING, "sqlite"), (BEFORE_APPENDING, "mariadb"), (BEFORE_SPARSE, "mariadb")],
)
def test_workers_of_two_versions_lose_and_double_nothing(
    valkey: ValkeyServer, mariadb: MariaDbServer, earlier: Version, database: str
) -> None:
    servers = Servers(valkey, mariadb)
    with servers.empty(database) as environment:
        found = Upgrade(servers, environment, earlier, Plan(EVENTS)).run()
    assert found.faults == []
    assert min(found.earlier_batches, found.batches) > 0
