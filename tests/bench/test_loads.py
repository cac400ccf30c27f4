"""What the door bears: the short form, what is said of cases that fail, and what is promised."""

import shutil
import socket
from math import isnan

import pytest

from bench.against.programs import CannotRun
from bench.loads import load as loads
from bench.loads.load import BARE, EARLIER, JOB, THIS
from bench.loads.posting import Sample
from bench.loads.promises import bars
from bench.loads.results import Case, Results
from bench.report import Bar, bars_as_markdown
from bench.stalled import QUICK, Stall, measure_served
from bench.wrk import run_wrk
from tests.bench.short_form import NO_WRK, result, run_short_form
from tests.conftest import require
from tests.servers import ServiceProcess, ValkeyServer, free_port

OURS, EARLIERS = Case(loads.SINGLE, THIS), Case(loads.SINGLE, EARLIER)
CROWD = Case(loads.CROWD_64, THIS)


def sample(per_second: float) -> Sample:
    return Sample(per_second, 2.5, 40e-6, 0.0)


@pytest.mark.usefixtures("repository")
def test_the_short_form_measures_each_kind_of_load_and_prints_tables() -> None:
    done = run_short_form("bench", "--door", "--against", "HEAD")
    assert done.returncode == 0, done.stderr
    found = result("door-quick")
    kinds = (loads.SPOOLED, loads.MIXED, loads.TWO)
    assert found["loads"].keys() > {f"{load.name}: {THIS}" for load in kinds}
    assert found["loads"].keys() > {f"{loads.SINGLE.name}: {who}" for who in (THIS, JOB, BARE)}
    for name, taken in found["loads"].items():
        [measured] = taken["samples"]
        assert all(measured[what] > 0 for what in ("per_second", "p99_ms", "cpu_seconds")), name
        assert (measured["beside"] > 0) == name.startswith(loads.MIXED.name)
    assert found["bars"][f"{loads.SINGLE.name} / {JOB}"]["value"] > 0
    assert found["bars"]["ingestion, 50 with half a body: served"]["value"] == 1
    assert f"| {loads.SINGLE.name} | {THIS} | " in done.stdout


def test_a_case_that_fails_is_said_is_not_tried_again_and_holds_up_no_other() -> None:
    tried: list[Case] = []

    def take(case: Case) -> Sample:
        tried.append(case)
        if case == EARLIERS:
            raise CannotRun("ingestion: ImportError: nothing")
        return sample(100 * len(tried))

    results = Results("c0ffee")
    results.measure([OURS, EARLIERS, CROWD], take, rounds=3)
    assert tried == [OURS, EARLIERS, CROWD, CROWD, OURS, OURS, CROWD]
    assert results.failed == {EARLIERS: "ingestion: ImportError: nothing"}
    assert results.median(OURS) == sample(500)
    assert isnan(results.median(EARLIERS).per_second)
    assert results.as_markdown().splitlines() == [
        "| load | borne by | events/s | of rounds | p99, ms | CPU µs an event |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        f"| {loads.SINGLE.name} | this tree | 500 | 100 to 600 | 2.5 | 40.0 |",
        f"| {loads.SINGLE.name} | c0ffee | failed |  |  |  |",
        f"| {loads.CROWD_64.name} | this tree | 400 | 300 to 700 | 2.5 | 40.0 |",
    ]


def test_promises_are_ratios_in_one_run_and_what_failed_is_missed() -> None:
    results = Results("c0ffee")
    rates = {OURS: 200.0, EARLIERS: 100.0, CROWD: 170.0}
    results.measure([*rates], lambda case: sample(rates[case]), rounds=1)
    found = bars(results)
    assert found == [
        Bar(f"{loads.SINGLE.name} / c0ffee", 2.0, ">= 1.7"),
        Bar(f"{loads.CROWD_64.name} / {loads.SINGLE.name}", 0.85, ">= 0.9"),
        Bar(f"{loads.SINGLE.name}, p99 ms", 2.5, "< 3"),
    ]
    assert bars_as_markdown(found).splitlines()[2:4] == [
        f"| {loads.SINGLE.name} / c0ffee | 2.00 | >= 1.7 |",
        f"| {loads.CROWD_64.name} / {loads.SINGLE.name} | 0.85 | >= 0.9 **missed** |",
    ]
    results.failed[OURS] = "gone"
    assert not any(bar.is_met for bar in bars(results))


def test_a_service_that_does_not_answer_is_a_figure(valkey: ValkeyServer) -> None:
    require(shutil.which("wrk"), NO_WRK)
    stall = Stall("ingestion", 1, "half a body")
    with ServiceProcess("ingestion", {"REDIS_URL": valkey.url}) as service:
        service.kill()
        [bar] = measure_served(service, valkey, stall, QUICK)
    assert bar == Bar("ingestion, 1 with half a body: served", 0, ">= 1")


def test_wrk_says_who_does_not_listen() -> None:
    require(shutil.which("wrk"), NO_WRK)
    with pytest.raises(RuntimeError, match="unable to connect"):
        run_wrk(f"http://127.0.0.1:{free_port()}/event", 1, 1)


def test_a_server_that_never_answers_is_an_error_within_the_time() -> None:
    require(shutil.which("wrk"), NO_WRK)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(RuntimeError, match="no answer within 1 s"),
    ):
        run_wrk(f"http://127.0.0.1:{silent.getsockname()[1]}/event", 1, 1)


def test_an_answer_that_is_no_success_is_an_error(valkey: ValkeyServer) -> None:
    require(shutil.which("wrk"), NO_WRK)
    with (
        ServiceProcess("ingestion", {"REDIS_URL": valkey.url}) as service,
        pytest.raises(RuntimeError, match=r"/event: Non-2xx or 3xx responses: \d+$"),
    ):
        run_wrk(f"{service.url}/event", 1, 1, body="no JSON")
