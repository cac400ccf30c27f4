"""Ways to log in that servers have, and what is told where none leads in."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from shared.db.database import check_connection, make_engine
from shared.errors import Unavailable
from shared.settings import Settings
from tests.conftest import require
from tests.played import PlayedServer, Sha2Login
from tests.servers import MariaDbServer

PASSWORDS = ["s3cret", "pä:/@ss?%23", "密碼 '\\\""]


def connect(url: str) -> None:
    engine = make_engine(Settings(database_url=url))
    try:
        check_connection(engine)
    finally:
        engine.dispose()


def with_login(url: str, user: str, password: str) -> str:
    return url.replace("root@", f"{user}:{quote(password, safe='')}@")


@pytest.fixture(params=["ed25519", "mysql_native_password"])
def plugin(request: pytest.FixtureRequest, strange_server: MariaDbServer) -> str:
    if request.param == "ed25519":
        ((directory,),) = strange_server.execute("SELECT @@plugin_dir")
        advice = "the server's plugin is not installed; to get it: apt-get install mariadb-server"
        require(Path(directory, "auth_ed25519.so").exists(), advice)
    return str(request.param)


@pytest.fixture
def user(strange_server: MariaDbServer, plugin: str) -> Iterator[str]:
    yield f"by_{plugin}"
    strange_server.execute(f"DROP USER IF EXISTS by_{plugin}")


@pytest.mark.parametrize("password", PASSWORDS)
def test_mariadbs_logins_lead_in(
    strange_server: MariaDbServer, strange_url: str, plugin: str, user: str, password: str
) -> None:
    literal = password.replace("'", "''")  # as this server would have it
    way = f"{plugin} USING PASSWORD('{literal}')"
    strange_server.execute(f"CREATE USER {user} IDENTIFIED VIA {way}")
    strange_server.execute(f"GRANT ALL ON *.* TO {user}")
    connect(with_login(strange_url, user, password))
    with pytest.raises(Unavailable, match="1045"):
        connect(with_login(strange_url, user, "wrong"))


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_default_login_of_mysql_8_leads_in(password: str) -> None:
    with PlayedServer(Sha2Login(password)) as server:
        url = f"mysql://root@127.0.0.1:{server.port}/d"
        with pytest.raises(Unavailable, match="logged in"):
            connect(with_login(url, "root", password))
        with pytest.raises(Unavailable, match="1045"):
            connect(with_login(url, "root", "wrong"))
