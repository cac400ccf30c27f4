"""Fixtures that several test packages share. The servers are in tests/servers.py."""

import math
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask.testing import FlaskClient
from pymysql.connections import Connection

from ingestion.app import Ingestion, create_app
from shared.clock import now_ms
from shared.counts import sparse
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.failover import Pair, pair_in
from tests.migrated import MigratedDatabases, MigratedFile
from tests.servers import MariaDbServer, OceanBaseServer, ValkeyServer

# The same examples in each run: what fails here fails everywhere, and nothing fails now and then.
hypothesis.settings.register_profile("footfall", derandomize=True, deadline=None)
hypothesis.settings.load_profile("footfall")

MakeQueue = Callable[..., EventQueue]
MakeIngestion = Callable[..., Ingestion]


def require(is_there: object, reason: str) -> None:
    """Skip what cannot be tested on this machine. In CI, that is a failure."""
    if not is_there:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


# Of the cases of a `sampled` test, one in so many is run, from the one of that number on: each case
# on one of the servers.
SAMPLES = {"mariadb": (2, 0), "sqlite": (4, 1), "oceanbase": (4, 3)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-cases", action="store_true", help="run all cases of `sampled` tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests that are `sampled`, keep some cases on each server."""
    if config.getoption("--all-cases"):
        return
    seen: Counter[str] = Counter()
    left_out = set()
    for item in items:
        server = next((name for name in SAMPLES if name in item.name), None)
        if server and item.get_closest_marker("sampled"):
            case = f"{item.nodeid.partition('[')[0]} {server}"
            one_in, first = SAMPLES[server]
            if seen[case] % one_in != first:
                left_out.add(item)
            seen[case] += 1
    if left_out:
        config.hook.pytest_deselected(items=sorted(left_out, key=str))
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def default_signals() -> None:
    """What the tests start takes signals as usual, also where these tests were started by `nohup`
    or behind `&`: a program inherits that a signal is ignored, but no handler."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(scope="session", autouse=True)
def one_tls_context() -> Iterator[None]:
    """To connect to MariaDB, the driver reads all certificates of this machine each time: 30 ms."""
    driver: Any = Connection
    make = driver._create_ssl_ctx
    usual = make(None, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "_create_ssl_ctx", lambda *given: make(*given) if given[1] else usual)
        yield


@pytest.fixture(autouse=True)
def counted_in_full(request: pytest.FixtureRequest) -> Iterator[None]:
    """What most tests look at has few events: in this process no day is sparse, except to a test
    that is marked so, whose days begin with totals alone below so many events, and with the values
    of days below so many more."""
    marker = request.node.get_closest_marker("sparse")
    totals_below, days_below = marker.args if marker else (0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "TOTALS_BELOW", totals_below)
        patch.setattr(sparse, "DAYS_BELOW", days_below)
        yield


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def valkey(valkey_server: ValkeyServer) -> Iterator[ValkeyServer]:
    """A Valkey that runs and is empty. The test may kill or pause it."""
    valkey_server.revive()
    with valkey_server.client() as client:
        client.flushall()
    yield valkey_server
    valkey_server.revive()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A primary, its replica, and an address that can be moved between them."""
    with pair_in(tmp_path) as pair:
        yield pair


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDbServer]:
    require(MariaDbServer.is_installed(), MariaDbServer.advice)
    with MariaDbServer() as server:
        yield server


@pytest.fixture
def mariadb(mariadb_server: MariaDbServer) -> Iterator[MariaDbServer]:
    """A MariaDB that runs. The test may kill or pause it."""
    mariadb_server.revive()
    yield mariadb_server
    mariadb_server.revive()


@pytest.fixture(scope="session")
def oceanbase_server() -> Iterator[OceanBaseServer]:
    require(OceanBaseServer.is_installed(), OceanBaseServer.advice)
    with OceanBaseServer() as server:
        yield server


@pytest.fixture
def oceanbase(oceanbase_server: OceanBaseServer) -> Iterator[OceanBaseServer]:
    """An OceanBase that runs. The test may kill or pause it."""
    oceanbase_server.revive()
    yield oceanbase_server
    oceanbase_server.revive()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path}/footfall.db"


@pytest.fixture
def mariadb_url(mariadb: MariaDbServer) -> Iterator[str]:
    """An empty database on MariaDB."""
    url = mariadb.create_database()
    yield url
    mariadb.revive()
    mariadb.drop_database(url)


@pytest.fixture
def oceanbase_url(oceanbase: OceanBaseServer) -> Iterator[str]:
    """An empty database on OceanBase."""
    url = oceanbase.create_database()
    yield url
    oceanbase.revive()
    oceanbase.drop_database(url)


@pytest.fixture(params=["sqlite", "mariadb", "oceanbase"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, on each kind of server in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> MigratedFile:
    return MigratedFile(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def migrated_mariadb(mariadb_server: MariaDbServer) -> MigratedDatabases:
    return MigratedDatabases(mariadb_server)


@pytest.fixture(scope="session")
def migrated_oceanbase(oceanbase_server: OceanBaseServer) -> MigratedDatabases:
    return MigratedDatabases(oceanbase_server)


@pytest.fixture(params=["sqlite", "mariadb", "oceanbase"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with all tables and no row, on each kind of server in turn."""
    if request.param == "sqlite":
        path = tmp_path / "footfall.db"
        request.getfixturevalue("migrated_file").copy_to(path)
        yield f"sqlite:///{path}"
        return
    request.getfixturevalue(request.param)  # it runs, whatever the test before did to it
    databases: MigratedDatabases = request.getfixturevalue(f"migrated_{request.param}")
    url = databases.take()
    yield url
    databases.give_back(url)


@pytest.fixture
def settings(valkey: ValkeyServer, sqlite_url: str, tmp_path: Path) -> Settings:
    return Settings(redis_url=valkey.url, database_url=sqlite_url, data_dir=tmp_path)


@pytest.fixture
def make_queue(settings: Settings) -> Iterator[MakeQueue]:
    """Queues with other settings: `make_queue(batch_size=3)`."""
    made: list[EventQueue] = []

    def make(
        timeout_seconds: float = 10, max_age_seconds: float = math.inf, **changes: Any
    ) -> EventQueue:
        changed = replace(settings, **changes)
        ages = {"timeout_seconds": timeout_seconds, "max_age_seconds": max_age_seconds}
        made.append(EventQueue(changed, **ages))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


@pytest.fixture
def queue(make_queue: MakeQueue) -> EventQueue:
    return make_queue()


@pytest.fixture
def make_ingestion(settings: Settings) -> Iterator[MakeIngestion]:
    """Applications with other settings or another clock: `make_ingestion(max_backlog=2)`."""
    made: list[Ingestion] = []

    def make(clock: Callable[[], int] = now_ms, **changes: Any) -> Ingestion:
        made.append(create_app(replace(settings, **changes), clock))
        return made[-1]

    yield make
    for app in made:
        app.door.close()


@pytest.fixture
def ingestion(make_ingestion: MakeIngestion) -> Ingestion:
    return make_ingestion()


@pytest.fixture
def client(ingestion: Ingestion) -> FlaskClient:
    return ingestion.test_client()
