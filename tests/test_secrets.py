"""Secrets are in no log, command line or answer, also where everything goes wrong."""

import dataclasses
import time
from typing import Any

import pytest

from shared.settings import Settings
from tests.secret import MADE_KEY, secrets_of, told_in
from tests.servers import MariaDbServer, ValkeyServer
from tests.stack import Client, PeriodicProcess, Stack

API_AUTH = "of-everything-5fb2c8d1"
REDIS_PASSWORD, DATABASE_PASSWORD = "of-redis-1c9e77a4", "of-the-database/77%e0"
KEY = "ff_AbCdEf12_" + "0123456789abcdef" * 2
EVENT = {"site_id": "a", "event_type": "page_view"}


def test_what_is_secret() -> None:
    settings = {
        "API_AUTH": "a-long-key",
        "DATABASE_URL": "mysql://ann:p%40ssw0rd@db/x",
        "REDIS_URL": "redis://:another1@r",
        "PUBLIC_INGESTION_URL": "https://here",
    }
    assert [*secrets_of(settings)] == [
        "a-long-key",
        "p%40ssw0rd",
        "p@ssw0rd",
        "another1",
        "another1",
    ]
    assert told_in("ann:p@ssw0rd, short", ["p@ssw0rd", "short"]) == ["p@ssw0rd"]
    assert told_in(f"key {KEY}", []) == [KEY]
    assert MADE_KEY.fullmatch(KEY)


class LockedValkey(ValkeyServer):
    @property
    def url(self) -> str:
        return f"unix://:{REDIS_PASSWORD}@{self.directory}/s"


def ask_wrongly(client: Client, path: str, method: str) -> list[str]:
    """What is answered to those who put a key where it does not belong, or have a wrong one."""
    answers = []
    for query, headers in (
        ("", {"Authorization": f"Bearer {KEY}"}),
        ("", {"Authorization": f"Basic {API_AUTH}"}),
        (f"?key={API_AUTH}&api_auth={KEY}", {}),
        (f"?site_id={KEY}&from={API_AUTH}", {"Authorization": API_AUTH}),
        (f"/{KEY}", {"Authorization": API_AUTH}),
    ):
        try:
            body = b"{" if method == "POST" else None
            answers.append(str(client.request(method, f"{path}{query}", body, headers)))
        except OSError:
            client.connection.close()
    return answers


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_nothing_secret_is_told(
    settings: Settings, mariadb: MariaDbServer, mariadb_url: str, server: str
) -> None:
    name = mariadb_url.rpartition("/")[2]
    mariadb.execute(f"CREATE OR REPLACE USER 'ff'@'%' IDENTIFIED BY '{DATABASE_PASSWORD}'")
    mariadb.execute(f"GRANT ALL ON {name}.* TO 'ff'@'%'")
    quoted = DATABASE_PASSWORD.replace("%", "%25").replace("/", "%2F")
    with LockedValkey({"requirepass": REDIS_PASSWORD}) as valkey:
        secret = dataclasses.replace(
            settings,
            redis_url=valkey.url,
            database_url=f"mysql://ff:{quoted}@127.0.0.1:{mariadb.port}/{name}",
            api_auth=API_AUTH,
        )
        keyed: dict[str, str] = {"API_AUTH": API_AUTH, "INGEST_AUTH": "true", "LOG_LEVEL": "debug"}
        stack = Stack(secret, server=server, workers=1, environment=keyed)
        periodic = PeriodicProcess(secret, keyed)
        with stack, periodic:
            processes = [*stack.processes, periodic]
            told: list[Any] = [stack.door().post(EVENT, Authorization=f"Bearer {API_AUTH}")]
            assert told[0][0] == 202
            for is_away in (False, True):
                if is_away:
                    valkey.kill()
                    mariadb.execute("ALTER USER 'ff'@'%' IDENTIFIED BY 'other'")
                    for row in mariadb.execute("SHOW PROCESSLIST"):
                        if row[1] == "ff":
                            mariadb.execute(f"KILL {row[0]}")
                for path, method in (("/event", "POST"), ("/metrics", "GET"), ("/ready", "GET")):
                    told += ask_wrongly(stack.door(), path, method)
                for path in ("/stats", "/pipeline/status", "/ready", "/metrics", "/"):
                    told += ask_wrongly(stack.reports(), path, "GET")
                asked = stack.reports().request("GET", "/doctor", None, {"Authorization": API_AUTH})
                assert asked[0] == 200
                told.append(asked)
                time.sleep(2)
            logs = [process.log() for process in processes]
            lines = [line for process in processes for line in process.command_lines()]
        mariadb.execute("DROP USER 'ff'@'%'")
    assert min(map(len, logs)) > 100
    assert len(lines) >= len(processes)
    passwords = {REDIS_PASSWORD, DATABASE_PASSWORD, quoted}
    assert told_in("\n".join([*logs, *lines]), {API_AUTH, *passwords}) == []
    # What whoever asks has written into a question may be answered to it.
    assert len(told) > 50
    assert set(told_in("\n".join(map(str, told)), passwords)) <= {KEY}
