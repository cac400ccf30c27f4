"""What cannot start says why in one sentence that names the setting, and starts nothing."""

import contextlib
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.db.database import writing_engine
from shared.db.tables import users_by_week
from shared.settings import Settings
from tests.footfall.conftest import Environment, Footfall
from tests.migration import migrate
from tests.servers import MariaDbServer, ValkeyServer, free_port

Refusal = Callable[..., list[str]]


@pytest.mark.parametrize("service", ["INGESTION", "REPORTING"])
def test_a_port_in_use_is_named(refusal: Refusal, service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        (line,) = refusal("run", **{f"{service}_PORT": port})
    assert line.startswith(f"footfall: {service}_PORT: port {port} on 127.0.0.1 is in use")


def test_two_services_on_one_port_are_named(refusal: Refusal) -> None:
    port = str(free_port())
    (line,) = refusal("run", INGESTION_HOST="0.0.0.0", INGESTION_PORT=port, REPORTING_PORT=port)
    assert line.startswith(f"footfall: REPORTING_PORT: port {port} on 127.0.0.1 is in use")


@pytest.mark.parametrize("command", ["run", "reporting"])
def test_reporting_is_not_open_to_others_unless_that_is_said(
    refusal: Refusal, command: str
) -> None:
    (line,) = refusal(command, REPORTING_HOST="0.0.0.0")
    assert line.startswith("footfall: API_AUTH: reporting would listen on 0.0.0.0 without a key")
    assert "ALLOW_OPEN=true" in line


def test_an_address_of_another_machine_is_named(refusal: Refusal) -> None:
    (line,) = refusal("run", INGESTION_HOST="192.0.2.1")  # kept for examples, never anybody's
    assert line.startswith("footfall: INGESTION_HOST: cannot listen on 192.0.2.1")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("WORKERS", "many", "footfall: WORKERS: must be a whole number"),
        ("REDIS_URL", "http://127.0.0.1", "footfall: REDIS_URL: must be a URL that begins with"),
        ("DATABASE_URL", "oracle://x", "footfall: DATABASE_URL: must be a URL that begins with"),
        ("DATABASE_URL", "mysql://u@127.0.0.1:x/d", "footfall: DATABASE_URL: must be a URL with"),
        ("REDIS_URL", "redis://127.0.0.1:x", "footfall: REDIS_URL: must be a URL with a port"),
    ],
)
def test_a_bad_setting_is_named(refusal: Refusal, name: str, value: str, expected: str) -> None:
    (line,) = refusal("run", **{name: value})
    assert line.startswith(expected)


def test_all_bad_settings_are_named_at_once(refusal: Refusal) -> None:
    batch_size, workers = sorted(refusal("run", WORKERS="0", BATCH_SIZE="-1"))
    assert batch_size.startswith("footfall: BATCH_SIZE: must be from 1")
    assert workers.startswith("footfall: WORKERS: must be from 1")


@pytest.mark.parametrize("command", ["run", "ingestion", "worker", "periodic", "reporting"])
def test_a_redis_that_refuses_us_is_named(
    refusal: Refusal, valkey: ValkeyServer, command: str
) -> None:
    (line,) = refusal(command, REDIS_URL=valkey.url.replace("//", "//nobody:secret@"))
    assert line.startswith("footfall: REDIS_URL: cannot use unix://nobody:***@/")
    assert "invalid username-password pair" in line
    assert "secret" not in line


@pytest.mark.parametrize("command", ["run", "ingestion"])
def test_a_country_database_that_is_none_is_named(
    refusal: Refusal, tmp_path: Path, command: str
) -> None:
    (tmp_path / "countries.mmdb").write_text("<html>", encoding="utf-8")
    (line,) = refusal(command, COUNTRY_DATABASE=f"{tmp_path}/countries.mmdb")
    assert line.startswith(f"footfall: COUNTRY_DATABASE: {tmp_path}/countries.mmdb: is not a")


@pytest.mark.parametrize("command", ["migrate", "verify"])
def test_who_comes_once_does_not_wait_for_a_database(refusal: Refusal, command: str) -> None:
    url = f"mysql://root:secret@127.0.0.1:{free_port()}/footfall"
    (line,) = refusal(command, DATABASE_URL=url)
    assert line.startswith("footfall: DATABASE_URL: cannot use mysql://root:***@127.0.0.1:")
    assert "secret" not in line


@pytest.mark.parametrize("command", ["run", "worker", "periodic", "reporting"])
def test_a_database_that_is_not_there_is_named(
    refusal: Refusal, valkey: ValkeyServer, mariadb_server: MariaDbServer, command: str
) -> None:
    (line,) = refusal(
        command,
        REDIS_URL=valkey.url,
        DATABASE_URL=f"mysql://root@127.0.0.1:{mariadb_server.port}/nowhere",
    )
    assert line.startswith("footfall: DATABASE_URL: cannot use mysql://")
    assert "Unknown database" in line


@pytest.mark.parametrize("command", ["run", "worker", "reporting"])
def test_a_wrong_password_is_named(
    refusal: Refusal, valkey: ValkeyServer, mariadb_server: MariaDbServer, command: str
) -> None:
    url = f"mysql://nobody:secret@127.0.0.1:{mariadb_server.port}/nowhere"
    (line,) = refusal(command, REDIS_URL=valkey.url, DATABASE_URL=url)
    assert line.startswith("footfall: DATABASE_URL: cannot use mysql://nobody:***@127.0.0.1:")
    assert "Access denied" in line
    assert "secret" not in line


def test_a_data_directory_that_cannot_be_made_is_named(refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (line,) = refusal("run", DATA_DIR=f"{tmp_path}/file/data")
    assert line.startswith("footfall: DATA_DIR: ")


def test_a_data_directory_that_valkey_cannot_use_is_named(
    refusal: Refusal, environment: Environment, mariadb_url: str
) -> None:
    valkey = Path(environment["DATA_DIR"]) / "valkey"
    valkey.parent.mkdir()
    valkey.touch()
    (line,) = refusal("run", DATABASE_URL=mariadb_url)
    assert line == f"footfall: DATA_DIR: {valkey}: File exists"


@pytest.mark.parametrize("command", ["worker", "periodic", "reporting"])
def test_a_service_alone_says_that_there_are_no_tables(
    refusal: Refusal, valkey: ValkeyServer, command: str
) -> None:
    (line,) = refusal(command, REDIS_URL=valkey.url)
    assert line == "footfall: DATABASE_URL: the database has no tables yet; run `make migrate`"


@pytest.mark.sampled
@pytest.mark.parametrize("command", ["worker", "periodic", "reporting", "verify"])
def test_what_the_database_lacks_is_named(
    refusal: Refusal, settings: Settings, database_url: str, command: str
) -> None:
    engine = writing_engine(replace(settings, database_url=database_url))
    migrate(engine)
    with engine.begin() as connection:
        users_by_week.drop(connection)
    engine.dispose()
    (line,) = refusal(command, REDIS_URL=settings.redis_url, DATABASE_URL=database_url)
    assert line == (
        "footfall: DATABASE_URL: the database lacks the table users_by_week; run `make migrate`"
    )


def test_a_valkey_that_nobody_would_use_is_not_started(refusal: Refusal) -> None:
    (line,) = refusal("valkey", REDIS_URL="redis://127.0.0.1")
    assert line.startswith("footfall: REDIS_URL: is set")


def test_tables_of_a_newer_footfall_are_left_alone(
    start: Callable[..., Footfall], refusal: Refusal, environment: Environment
) -> None:
    start("run").close()
    path = Path(environment["DATA_DIR"]) / "footfall.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    (line,) = refusal("migrate")
    assert line.startswith(f"footfall: DATABASE_URL: sqlite:///{path} is not of this Footfall")
