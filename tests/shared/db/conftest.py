"""A migrated database, on each kind of server in turn; and a server that is unlike all of them."""

import dataclasses
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from shared.db.database import writing_engine
from shared.settings import Settings
from tests.certificates import Authority
from tests.conftest import require
from tests.refused import SMALL_PACKET_BYTES
from tests.servers import MariaDbServer


@pytest.fixture
def database_settings(settings: Settings, migrated_url: str) -> Settings:
    return dataclasses.replace(settings, database_url=migrated_url)


@pytest.fixture
def engine(database_settings: Settings) -> Iterator[Engine]:
    engine = writing_engine(database_settings)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whoever has signed the strange server's certificate."""
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="session")
def strange_server(authority: Authority) -> Iterator[MariaDbServer]:
    """A MariaDB whose operator has chosen everything else than it comes with: how text is written,
    which characters there are, how much is taken at once, who may log in how, and TLS."""
    require(MariaDbServer.is_installed(), MariaDbServer.advice)
    own = authority.certify("server")
    options = {
        "sql-mode": "ANSI,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES",
        "character-set-server": "latin1",
        "max-allowed-packet": SMALL_PACKET_BYTES,
        "innodb-force-primary-key": "ON",
        "plugin-load-add": "auth_ed25519",
        "ssl-ca": authority.path,
        "ssl-cert": own.cert,
        "ssl-key": own.key,
    }
    with MariaDbServer(options=options) as server:
        yield server


@pytest.fixture
def strange_url(strange_server: MariaDbServer) -> Iterator[str]:
    """An empty database on it."""
    url = strange_server.create_database()
    yield url
    strange_server.drop_database(url)
