"""Answers that are read from a replica: how old they may be, and that nothing looks lost."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, delete, insert, select, text
from sqlalchemy.exc import DBAPIError

from reporting.answers.replica import DISORDER_MS
from reporting.app import Reporting, create_app
from shared.db.database import writing_engine
from shared.db.tables import batch_ledger, metadata
from shared.errors import BadSetting
from shared.event import encode_event
from shared.process import BAD_SETTING_STATUS
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from tests.conftest import require
from tests.events import NOW, make_batch, make_event
from tests.migration import migrate
from tests.servers import PATIENCE_SECONDS, ROOT, MariaDbServer, wait_until
from worker.batch.commit import commit_batch

STATS = "/stats?site_id=site-a&date=2025-11-15"


class ReplicatingServer(MariaDbServer):
    """A MariaDB that others may follow, or that follows one."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def command(self) -> list[str]:
        return [
            *super().command(),
            f"--server-id={self.number}",
            f"--log-bin={self.directory}/binlog",
            "--innodb-flush-log-at-trx-commit=0",
            "--slave-net-timeout=10",
        ]

    def follow(self, other: "ReplicatingServer") -> None:
        self.execute(
            f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {other.port}, "
            "master_user = 'root', master_password = '', master_use_gtid = slave_pos, "
            "master_connect_retry = 1"
        )
        self.execute("START SLAVE")


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ReplicatingServer, ReplicatingServer]]:
    """One, and one that follows it."""
    require(MariaDbServer.is_installed(), MariaDbServer.advice)
    with ReplicatingServer(1) as primary, ReplicatingServer(2) as replica:
        replica.follow(primary)
        yield primary, replica


@pytest.fixture
def replicated(
    servers: tuple[ReplicatingServer, ReplicatingServer], settings: Settings
) -> Settings:
    primary, replica = servers
    url = primary.create_database()
    other = url.replace(str(primary.port), str(replica.port))
    return dataclasses.replace(settings, database_url=url, reporting_database_url=other)


@pytest.fixture
def copied(settings: Settings) -> Settings:
    """With a copy that nobody keeps up to date, both migrated."""
    copy = dataclasses.replace(settings, database_url=f"sqlite:///{settings.data_dir}/copy.db")
    for each in (settings, copy):
        engine = writing_engine(each)
        migrate(engine)
        engine.dispose()
    return dataclasses.replace(settings, reporting_database_url=copy.database_url)


@pytest.fixture
def primary(copied: Settings) -> Iterator[Engine]:
    engine = writing_engine(copied)
    yield engine
    engine.dispose()


@pytest.fixture
def replica(copied: Settings) -> Iterator[Engine]:
    engine = writing_engine(dataclasses.replace(copied, database_url=copied.reporting_database_url))
    yield engine
    engine.dispose()


@pytest.fixture
def app(copied: Settings) -> Iterator[Reporting]:
    app = create_app(copied, clock=lambda: NOW)
    yield app
    app.close()


@pytest.fixture
def copy_reports(app: Reporting) -> FlaskClient:
    return app.test_client()


def enter(engine: Engine, *batches: tuple[str, int]) -> None:
    rows = [{"batch_id": batch_id, "committed_at": moment} for batch_id, moment in batches]
    with engine.begin() as connection:
        connection.execute(insert(batch_ledger), rows)


def lag(client: FlaskClient) -> Any:
    return client.get("/pipeline/status").get_json()["replica_lag_seconds"]


def test_a_replica_that_stands_still_is_told_by_its_age_and_loses_nothing(
    servers: tuple[ReplicatingServer, ReplicatingServer], replicated: Settings
) -> None:
    follower = servers[1]
    engine, queue = writing_engine(replicated), EventQueue(replicated)
    migrate(engine)
    moments = iter((NOW, NOW + 1_000, NOW + 2_000))
    clock = {"now": NOW + 3_000}
    app = create_app(replicated, clock=lambda: clock["now"])
    client = app.test_client()

    def store(number: int) -> None:
        queue.push([encode_event(make_event(number, user_id=f"user-{number}"))])
        batch = queue.claim()
        assert batch
        commit_batch(engine, batch, next(moments))
        queue.finish(batch.id)

    def views() -> Any:
        return client.get(STATS).get_json()["total_views"]

    wait_until(lambda: client.get("/ready").status_code == 200)
    store(1)
    wait_until(lambda: lag(client) == 0)
    assert views() == 1
    follower.execute("STOP SLAVE")
    assert lag(client) == 0
    store(2)
    assert lag(client) == 2
    store(3)
    clock["now"] += 5_000
    status = client.get("/pipeline/status").get_json()
    assert status["replica_lag_seconds"] == 7
    assert (status["accepted"], status["stored"], status["balanced"]) == (3, 3, True)
    assert views() == client.get(STATS).get_json()["unique_users"] == 1
    assert "footfall_replica_lag_seconds 7.0" in client.get("/metrics").get_data(as_text=True)
    follower.execute("START SLAVE")
    wait_until(lambda: lag(client) == 0)
    assert views() == client.get(STATS).get_json()["unique_users"] == 3
    app.close()
    queue.close()
    engine.dispose()


def test_without_a_replica_there_is_no_age(reports: FlaskClient) -> None:
    assert lag(reports) is None
    assert "replica" not in reports.get("/metrics").get_data(as_text=True)


def test_the_age_is_that_of_the_oldest_batch_that_the_replica_lacks(
    copy_reports: FlaskClient, primary: Engine, replica: Engine
) -> None:
    assert lag(copy_reports) == 0
    enter(primary, ("a", NOW - 9_000), ("b", NOW - 8_000))
    assert lag(copy_reports) == 9
    enter(replica, ("a", NOW - 9_000))
    assert lag(copy_reports) == 8
    enter(replica, ("b", NOW - 8_000))
    assert lag(copy_reports) == 0
    enter(primary, ("of a clock that is ahead", NOW + 5_000))
    assert lag(copy_reports) == 0


def test_a_batch_that_began_first_and_was_stored_last_is_missed(
    copy_reports: FlaskClient, primary: Engine, replica: Engine
) -> None:
    batches = [(f"{n}", NOW - 30_000 + n) for n in range(20)]
    enter(primary, *batches)
    enter(replica, *batches[:7], *batches[8:])
    assert lag(copy_reports) == (30_000 - 7) / 1000


def test_batches_from_long_ago_are_not_looked_at_again(
    copy_reports: FlaskClient, primary: Engine, replica: Engine
) -> None:
    """Those are forgotten on one server before the other."""
    enter(primary, ("forgotten there", NOW - DISORDER_MS - 1), ("both", NOW))
    enter(replica, ("forgotten here", NOW), ("both", NOW))
    assert lag(copy_reports) == 0


def test_the_ledger_is_read_where_it_is_written_and_answers_from_the_replica(
    copied: Settings, copy_reports: FlaskClient, primary: Engine, replica: Engine
) -> None:
    commit_batch(primary, make_batch("b", make_event(1), make_event(2)), NOW - 4_000)
    status = copy_reports.get("/pipeline/status").get_json()
    assert (status["stored"], status["replica_lag_seconds"]) == (2, 4)
    body = copy_reports.get("/metrics").get_data(as_text=True)
    assert 'footfall_events_total{outcome="stored",reason=""} 2.0' in body
    assert copy_reports.get(STATS).get_json()["total_views"] == 0
    catch_up(primary, replica)
    assert copy_reports.get(STATS).get_json()["total_views"] == 2


def catch_up(primary: Engine, replica: Engine) -> None:
    with primary.connect() as source, replica.begin() as target:
        for table in metadata.sorted_tables:
            target.execute(delete(table))
            rows = [dict(row._mapping) for row in source.execute(select(table))]
            if rows:
                target.execute(insert(table), rows)


def test_it_is_ready_once_the_replica_has_the_tables_and_while_the_primary_is_away(
    copied: Settings, replica: Engine
) -> None:
    away = dataclasses.replace(copied, database_url="mysql://nobody@127.0.0.1:1/none")
    app = create_app(away, clock=lambda: NOW)
    client = app.test_client()
    assert client.get("/ready").status_code == client.get(STATS).status_code == 200
    answer = client.get("/pipeline/status")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unavailable")
    with replica.begin() as connection:
        connection.execute(text("DROP TABLE segments"))
    assert client.get("/ready").get_json()["code"] == "not_migrated"
    app.close()


def test_nothing_is_written_to_either(app: Reporting) -> None:
    assert app.sources.ledger is not app.sources.engine
    for engine in (app.sources.engine, app.sources.ledger):
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(text("DELETE FROM events"))


def test_an_address_without_sense_is_refused_by_the_name_of_its_setting(settings: Settings) -> None:
    nonsense = dataclasses.replace(settings, reporting_database_url="mysql://root@host/db?sense=no")
    with pytest.raises(BadSetting, match=r"^REPORTING_DATABASE_URL: .*sense=no"):
        create_app(nonsense)


def test_reporting_ends_at_its_start_where_an_address_has_no_sense(settings: Settings) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "reporting"],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        cwd=settings.data_dir,
        env={
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(settings.data_dir),
            "REPORTING_DATABASE_URL": "mysql://root:secret@host/db?sense=no",
        },
    )
    assert ended.returncode == BAD_SETTING_STATUS
    (line,) = ended.stderr.splitlines()
    assert line.startswith("footfall: REPORTING_DATABASE_URL: ")
    assert "secret" not in line
