"""Started before the servers that they need, services wait, say so, and then do their work."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.footfall.conftest import Environment, Footfall
from tests.servers import (
    MariaDbServer,
    Server,
    ServiceProcess,
    ValkeyServer,
    free_port,
    wait_until,
)

Start = Callable[..., Footfall]


class Silent(ServiceProcess):
    """A process without a port."""

    def is_ready(self) -> bool:
        return "waiting: " in self.log()


class Waiting(Footfall):
    """All that is started, up to where it waits."""

    def is_ready(self) -> bool:
        return "waiting: " in self.log()


@pytest.fixture
def late(valkey: ValkeyServer) -> ValkeyServer:
    """A Valkey that is down, and comes up when the test starts it."""
    valkey.kill()
    return valkey


@pytest.fixture
def late_database(mariadb: MariaDbServer) -> Iterator[str]:
    """A database on a MariaDB that is down; `mariadb.start()` brings it up."""
    url = mariadb.create_database()
    mariadb.kill()
    yield url
    mariadb.revive()
    mariadb.drop_database(url)


def ask(port: object, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def sentences(service: Server, setting: str) -> int:
    return len(re.findall(f"waiting: {setting}: ", service.log()))


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
@pytest.mark.parametrize("service", ["ingestion", "reporting"])
def test_a_service_answers_while_redis_is_away_and_after(
    environment: Environment, late: ValkeyServer, service: str, server: str
) -> None:
    given = {"REDIS_URL": late.url, f"{service.upper()}_SERVER": server}
    given["DATABASE_URL"] = f"sqlite:///{late.directory}/{service}-{server}.db"
    with ServiceProcess(service, given) as process:
        assert ask(process.port, "/health")[0] == 200
        # Ingestion keeps events meanwhile.
        status, answer = ask(process.port, "/ready")
        assert status == (200 if service == "ingestion" else 503)
        assert service == "reporting" or "spool" in json.dumps(answer)
        wait_until(lambda: sentences(process, "REDIS_URL"))
        late.start()
        wait_until(lambda: "the servers that were away answer" in process.log())
        assert sentences(process, "REDIS_URL") == 1
        if service == "ingestion":
            assert ask(process.port, "/ready")[0] == 200
        assert process.stop() == 0


@pytest.mark.parametrize("service", ["ingestion", "reporting", "worker", "periodic"])
def test_footfall_waits_for_redis_and_ends_when_it_is_told(
    start: Start, environment: Environment, service: str
) -> None:
    footfall_migrate(environment)
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    footfall = start(service, REDIS_URL=url)
    wait_until(lambda: sentences(footfall, "REDIS_URL"))
    assert "secret" not in footfall.log()
    if f"{service.upper()}_PORT" in environment:
        assert ask(environment[f"{service.upper()}_PORT"], "/health")[0] == 200
    assert footfall.stop() == 0
    assert sentences(footfall, "REDIS_URL") == 1
    assert "killed" not in footfall.log()


def footfall_migrate(environment: Environment) -> None:
    subprocess.run([sys.executable, "-m", "footfall", "migrate"], env=environment, check=True)


@pytest.mark.parametrize("module", ["worker", "worker.periodic"])
def test_a_worker_waits_for_both_and_ends_when_it_is_told(module: str) -> None:
    away = {
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "DATABASE_URL": f"mysql://u:secret@127.0.0.1:{free_port()}/none",
    }
    with Silent(module, away) as process:
        wait_until(lambda: sentences(process, "REDIS_URL") and sentences(process, "DATABASE_URL"))
        assert process.stop() == 0
        assert "Traceback" not in process.log()
        assert "secret" not in process.log()


def test_what_came_while_the_database_was_away_is_counted(
    start: Start, mariadb: MariaDbServer, late_database: str, environment: Environment
) -> None:
    with Waiting(environment | {"DATABASE_URL": late_database}, "run") as footfall:
        wait_until(lambda: succeeds(lambda: footfall.post_view()))
        port = environment["REPORTING_PORT"]
        wait_until(lambda: succeeds(lambda: ask(port, "/health")))
        status, answer = ask(port, "/ready")
        assert (status, answer["code"]) == (503, "database_unavailable")
        mariadb.start()
        wait_until(lambda: "Footfall is running" in footfall.log())
        footfall.wait_for_views(1)
        assert footfall.stop() == 0


def test_run_ends_while_it_waits(environment: Environment) -> None:
    url = f"mysql://nobody@127.0.0.1:{free_port()}/none"
    with Waiting(environment | {"DATABASE_URL": url}, "run") as footfall:
        assert footfall.stop() == 0
        assert "killed" not in footfall.log()


def test_services_come_before_their_redis_and_do_their_work(
    start: Start, environment: Environment, late: ValkeyServer
) -> None:
    footfall_migrate(environment)
    started = [
        start(command, REDIS_URL=late.url)
        for command in ("ingestion", "worker", "periodic", "reporting")
    ]
    late.start()
    ingestion = started[0]
    wait_until(lambda: succeeds(lambda: ingestion.post_view()))
    ingestion.wait_for_views(1)


def test_a_service_alone_says_how_to_get_a_valkey(start: Start, environment: Environment) -> None:
    footfall_migrate(environment)
    worker = start("worker")
    wait_until(lambda: "make valkey" in worker.log())


def test_port_is_of_the_one_service_that_is_started(
    start: Start, environment: Environment, valkey: ValkeyServer
) -> None:
    port = environment.pop("INGESTION_PORT")
    start("ingestion", REDIS_URL=valkey.url, PORT=port)
    assert ask(port, "/health")[0] == 200


def test_run_takes_no_notice_of_port(start: Start, environment: Environment) -> None:
    footfall = start("run", PORT=str(free_port()))
    footfall.post_view()
    footfall.wait_for_views(1)


def succeeds(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except OSError:  # refused, or 503
        return False
    return True
