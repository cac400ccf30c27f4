"""`footfall doctor`, as an operator types it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from footfall import doctor
from footfall.__main__ import cli
from ingestion.app import Ingestion
from reporting.answers.doctor import processes
from reporting.answers.doctor.look import look
from reporting.answers.doctor.seen import Seen
from reporting.route import Sources
from shared.clock import now_ms
from shared.queue.event_queue import EventQueue
from shared.queue.watching import DoorReport, Noted, Watching
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, post
from tests.servers import ValkeyServer, free_port, wait_until

NOTED = Noted(
    door="machine:1",
    at=1_763_200_000_123,
    method="POST",
    path="/event",
    status=202,
    events=1,
    site_id="shop\x1b[2J",
    address_from="peer",
    address="172.18.0.0/24",
    address_class="private",
    peer="172.18.0.0/24",
    peer_class="private",
    forwarded=("X-Forwarded-For",),
    country="DE",
    host="count.example",
    origin_host="shop.example",
    ahead_ms=0,
)


@pytest.fixture
def environ(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    tmp_path.chmod(0o700)
    return {**environ, "DATA_DIR": str(tmp_path)}


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner(env=environ).invoke(cli, ["doctor", *arguments])


def told(environ: dict[str, str], *arguments: str) -> tuple[int, Any]:
    result = run(environ, "--json", *arguments)
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


@contextmanager
def running(app: Ingestion) -> Iterator[Ingestion]:
    """Its keeper works."""
    app.door.keeper.start()
    yield app
    app.door.keeper.stop()


def report(queue: EventQueue) -> Watching:
    """An ingestion process, workers and a periodic process that tell of themselves."""
    watching = Watching(queue)
    watching.report(DoorReport(name="machine:1", told_at=watching.time()))
    queue.report("worker")
    queue.redis.sadd("rq:workers:events-periodic", "rq:worker:periodic")
    queue.redis.hset("rq:worker:periodic", "state", "idle")
    return watching


def test_where_nothing_is_wrong_it_says_so(environ: dict[str, str], queue: EventQueue) -> None:
    report(queue)
    result = run(environ)
    assert result.stdout == "1 ingestion processes, 0 requests seen; nothing is wrong.\n"
    assert result.exit_code == 0
    assert told(environ)[1]["is_well"]


def test_what_is_wrong_is_said_with_what_to_do(environ: dict[str, str], queue: EventQueue) -> None:
    report(queue).tell([NOTED])
    result = run(environ)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "2025-11-15T09:46:40.123Z POST /event 202 ok, site shop?[2J, "
        "from 172.18.0.0/24 (private, by peer) of DE, not by X-Forwarded-For, to count.example, "
        "page on shop.example"
    )
    assert "WARNING untrusted_proxy TRUSTED_PROXIES" in lines
    assert any(line.startswith("  → If that is your proxy, name its") for line in lines)
    assert lines[-1].endswith("something is wrong.")
    status, answer = told(environ)
    assert (status, answer["is_well"]) == (1, False)
    assert answer["requests"][0]["country"] == "DE"


def test_requests_are_shown_as_they_come(
    environ: dict[str, str], queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    report(queue)
    with running(make_ingestion()) as app:
        is_over = threading.Event()

        def post_on() -> None:
            while not is_over.is_set():
                post(app, ONE, REMOTE_ADDR="203.0.113.7")
                time.sleep(0.1)

        client = threading.Thread(target=post_on)
        client.start()
        try:
            result = run(environ, "--watch", "3")
        finally:
            is_over.set()
            client.join()
    lines = [line for line in result.stdout.splitlines() if "POST /event 202 ok" in line]
    assert len(lines) == len(set(lines)) > 0
    assert "203.0.113.0/24 (public, by peer)" in lines[0]
    assert "203.0.113.7" not in result.output
    assert "Watching for 3 s" in result.stderr


def test_an_ingestion_that_runs_is_waited_for(
    environ: dict[str, str], queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    with running(make_ingestion()):
        answer = told(environ)[1]
    assert answer["ingestion_processes"] == 1
    assert "no_ingestion" not in {finding["code"] for finding in answer["findings"]}
    wait_until(lambda: Watching(queue).look(now_ms()).asked_ms > 0)


def test_where_requests_cannot_be_looked_at_nobody_is_waited_for(
    environ: dict[str, str], valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_again(_: float) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(time, "sleep", not_again)
    with valkey.client() as client:
        client.replicaof("127.0.0.1", str(free_port()))
        try:
            codes = {finding["code"] for finding in told(environ)[1]["findings"]}
        finally:
            client.replicaof("NO", "ONE")
    assert "unwatched" in codes
    assert "no_ingestion" not in codes


def test_a_mark_by_a_clock_that_is_ahead_does_not_keep_it_waiting(
    environ: dict[str, str], queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def look_at_most(sources: Sources, now: int) -> Seen:
        nonlocal looks
        looks += 1
        assert looks < 20
        return look(sources, now)

    monkeypatch.setattr(doctor, "HEARD_MS", 1_000)
    monkeypatch.setattr(processes, "HEARD_MS", 1_000)
    monkeypatch.setattr(doctor, "look", look_at_most)
    Watching(queue).ask(now_ms() + 3_600_000)
    codes = {finding["code"] for finding in told(environ)[1]["findings"]}
    assert looks > 2
    assert "no_ingestion" in codes


def test_without_an_ingestion_its_settings_here_are_looked_at(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "HEARD_MS", 0)
    wrong = {
        **environ,
        "COUNTRY_DATABASE": str(tmp_path / "none.mmdb"),
        "INGESTION_HOST": "0.0.0.0",
    }
    tmp_path.chmod(0o755)
    codes = [finding["code"] for finding in told(wrong)[1]["findings"]]
    assert {"country_database", "ingestion_open", "data_dir_open"} <= {*codes}
    assert len(codes) == len(set(codes))
    tmp_path.chmod(0o700)
    codes = [finding["code"] for finding in told(environ)[1]["findings"]]
    assert not {"country_database", "ingestion_open", "data_dir_open"} & {*codes}


def test_what_does_not_answer_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    away = {
        **environ,
        "REDIS_URL": f"redis://:hidden@127.0.0.1:{free_port()}/0",
        "DATABASE_URL": f"sqlite:///{tmp_path}/none.db",
    }
    status, answer = told(away)
    assert status == 1
    found = {finding["code"]: finding["severity"] for finding in answer["findings"]}
    assert found["redis_away"] == "error"
    assert found["not_migrated"] == "error"
    assert "hidden" not in str(answer)


def test_a_setting_that_cannot_be_used_ends_it(environ: dict[str, str]) -> None:
    result = run({**environ, "INGESTION_PORT": "x"})
    assert result.exit_code != 0
    assert "INGESTION_PORT" in str(result.exception)
