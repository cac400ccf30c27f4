"""The benchmarks run to their ends, and give all their figures."""

import pytest

from tests.bench.short_form import result, run_short_form
from tests.conftest import require
from tests.servers import OceanBaseServer

RATIOS = {
    "door on granian-4 / one RQ job per event on gunicorn-4",
    "door on granian-4 / no-op Flask view there",
    "door on gunicorn-4, p99 in ms",
    "worker to MariaDB / LOAD DATA LOCAL INFILE",
    "worker to SQLite / executemany",
}
FIGURES = {
    f"{database}: {name}"
    for database in ("sqlite", "mariadb")
    for name in (
        "stats, 90 days, p95 ms",
        "timeseries by day, 90 days, of a tenth",
        "raw 90-day totals / stats",
        "worker, events/s",
    )
}


def test_the_short_benchmark_gives_all_its_ratios() -> None:
    done = run_short_form("bench")
    assert done.returncode == 0, done.stderr
    ratios = result("quick")["ratios"]
    assert ratios.keys() > RATIOS
    assert all(ratio["value"] > 0 for ratio in ratios.values()), ratios


@pytest.mark.chaos
def test_a_database_is_measured_beside_mariadb() -> None:
    require(OceanBaseServer.is_installed(), OceanBaseServer.advice)
    done = run_short_form("bench", "--database", "oceanbase")
    assert done.returncode == 0, done.stderr
    figures = result("beside-oceanbase-quick")["figures"]
    assert figures.keys() > {"worker", "stats, 90 days", "breakdown by path, 90 days"}
    for both in figures.values():
        assert both.keys() == {"oceanbase", "mariadb"}
        assert all(value > 0 for values in both.values() for value in values)


def test_the_short_benchmark_of_reporting_gives_all_its_figures() -> None:
    done = run_short_form("bench.reporting")
    assert done.returncode == 0, done.stderr
    figures = result("reporting-quick")["figures"]
    assert figures.keys() > FIGURES
    assert all(figure["value"] > 0 for figure in figures.values()), figures


@pytest.mark.chaos
def test_the_short_form_of_stalled_clients_gives_its_figures() -> None:
    done = run_short_form("bench.stalled")
    assert done.returncode == 0, done.stderr
    bars = result("stalled-quick")["bars"]
    assert bars["reporting, 50 with half a head: /stats, rate / without"]["value"] > 0
    assert bars["reporting, 50 with nothing: /health, p99 ms"]["value"] > 0
    assert bars["ingestion, 50 with half a body: /event, rate / without"]["value"] > 0
    assert bars["ingestion, 50 with half a head: served"]["value"] == 1
