"""`footfall run`: one command starts everything, keeps it running, and leaves nothing behind."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from footfall.run.supervisor import STOP_DEADLINES_SECONDS
from tests.conftest import require
from tests.footfall.conftest import Environment, Footfall, left_over
from tests.servers import PATIENCE_SECONDS, ValkeyServer, free_port, wait_until

Start = Callable[..., Footfall]
ALL = {"ingestion", "worker", "worker.periodic", "reporting", "valkey"}
# What the README promises of Ctrl-C.
PROMISED_SECONDS = 10


def test_it_starts_all_services_and_a_valkey(start: Start) -> None:
    assert set(start("run").processes()) == ALL


def test_the_banners_commands_post_and_show_an_event(start: Start) -> None:
    require(shutil.which("curl"), "curl is not installed: the banner's commands are not tested")
    footfall = start("run")
    post, read = (shlex.split(line) for line in re.findall(r"^  (curl .*)$", footfall.log(), re.M))
    assert subprocess.run(post, capture_output=True, timeout=60).stdout == b'{"status":"accepted"}'
    wait_until(lambda: b'"total_views":1' in subprocess.run(read, capture_output=True).stdout)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything(
    start: Start, environment: Environment, number: signal.Signals
) -> None:
    footfall = start("run")
    assert footfall.process is not None
    footfall.signal(number)
    assert footfall.process.wait(PATIENCE_SECONDS) == 0
    assert left_over(environment) == []


def test_under_nohup_a_hang_up_stops_nothing(start: Start) -> None:
    nohup = shutil.which("nohup")
    require(nohup, "nohup is not installed: what a hang-up does under it is not tested")
    footfall = start("run", under=nohup)
    running = footfall.processes()
    footfall.signal(signal.SIGHUP)
    footfall.post_view()
    footfall.wait_for_views(1)
    assert footfall.processes() == running
    assert "stopping" not in footfall.log()
    assert footfall.stop() == 0


def test_a_process_that_does_not_stop_is_killed_in_time(
    start: Start, environment: Environment
) -> None:
    footfall = start("run")
    suspended = footfall.processes()
    for process in suspended.values():
        process.suspend()
    assert footfall.stop() == 0
    assert footfall.log().count("did not stop in time and is killed") == len(suspended)
    assert left_over(environment) == []


def test_what_stops_is_given_less_time_than_is_promised() -> None:
    assert max(STOP_DEADLINES_SECONDS) < PROMISED_SECONDS


@pytest.mark.parametrize("seconds", [0.1, 0.5, 0.8, 1.1, 1.4, 1.7])
def test_a_signal_while_starting_leaves_nothing(environment: Environment, seconds: float) -> None:
    starting = subprocess.Popen(
        [sys.executable, "-m", "footfall", "run"], env=environment, stdout=subprocess.DEVNULL
    )
    time.sleep(seconds)
    starting.terminate()
    assert starting.wait(PATIENCE_SECONDS) in {0, -signal.SIGTERM}
    assert left_over(environment) == []


def test_the_next_run_finds_the_same_data(start: Start) -> None:
    first = start("run")
    first.post_view()
    first.stop()
    second = start("run")
    second.wait_for_views(1)


def test_a_second_run_in_the_same_directory_is_refused(
    start: Start, refusal: Callable[..., list[str]], environment: Environment
) -> None:
    footfall = start("run")
    ports = {"INGESTION_PORT": str(free_port()), "REPORTING_PORT": str(free_port())}
    (line,) = refusal("run", **ports)
    assert line.startswith(f"footfall: DATA_DIR: {environment['DATA_DIR']} is in use by another")
    footfall.post_view()
    footfall.wait_for_views(1)


def test_a_killed_process_is_started_again(start: Start) -> None:
    footfall = start("run")
    for number, name in enumerate(sorted(ALL), 1):
        kill(footfall, name)
        wait_until(lambda: succeeds(footfall.post_view))
        wait_until(partial(succeeds, partial(footfall.wait_for_views, number)))


def kill(footfall: Footfall, name: str) -> None:
    """Returns once another is in its place, and all that it had started is gone."""
    killed = footfall.processes()[name]
    its_own = killed.children(recursive=True)
    killed.kill()
    wait_until(lambda: footfall.processes().get(name) not in {None, killed})
    wait_until(lambda: not any(is_alive(process) for process in its_own))


def is_alive(process: psutil.Process) -> bool:
    """A zombie is not: it waits for whoever adopts orphans on this machine."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def succeeds(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except OSError:  # refused, or 503
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_nothing_outlives_a_killed_supervisor(start: Start, environment: Environment) -> None:
    footfall = start("run")
    footfall.kill()
    wait_until(lambda: left_over(environment) == [])


def test_what_cannot_run_stops_everything_with_its_reason(
    environment: Environment, tmp_path: Path
) -> None:
    directory = tmp_path / "data" / "valkey" / "appendonlydir"
    directory.mkdir(parents=True)
    (directory / "appendonly.aof.manifest").write_text("no manifest at all\n")
    finished = subprocess.run(
        [sys.executable, "-m", "footfall", "run"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert finished.returncode == 1
    assert "footfall: valkey cannot run: it ended with exit status 1" in finished.stderr
    assert "Invalid AOF manifest file format" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert left_over(environment) == []


def test_given_servers_are_used(start: Start, valkey: ValkeyServer, mariadb_url: str) -> None:
    footfall = start("run", REDIS_URL=valkey.url, DATABASE_URL=mariadb_url)
    assert set(footfall.processes()) == ALL - {"valkey"}
    footfall.post_view()
    footfall.wait_for_views(1)


def test_it_stops_when_nobody_reads_its_output(environment: Environment) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "footfall", "run"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as footfall:
        assert footfall.stdout is not None
        footfall.stdout.readline()
        footfall.stdout.close()
        assert footfall.wait(PATIENCE_SECONDS) == 0
        assert footfall.stderr is not None
        assert footfall.stderr.read() == b""
    assert left_over(environment) == []


def test_services_can_be_started_one_by_one(start: Start, environment: Environment) -> None:
    start("valkey")
    subprocess.run([sys.executable, "-m", "footfall", "migrate"], env=environment, check=True)
    workers = start("worker", "--workers", "2")
    wait_until(lambda: re.search(r"^worker.2  \|", workers.log(), re.M))
    start("periodic")
    start("reporting")
    ingestion = start("ingestion")
    ingestion.post_view()
    ingestion.wait_for_views(1)
