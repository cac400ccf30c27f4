"""What events cost until they are counted: the short form, and how figures and bars are made."""

from pathlib import Path

import psutil
import pytest

from bench.against.programs import CannotRun
from bench.against.versions import THIS, Version
from bench.pipeline.cost import Cost
from bench.pipeline.loads import ONE, SITES, Case
from bench.pipeline.pace import Moment, growth, pace_table
from bench.pipeline.promises import bars
from bench.pipeline.quarter import thirds_of
from bench.pipeline.results import Results
from bench.pipeline.run import QUICK, compose_options, status
from bench.pipeline.running import Drained
from bench.pipeline.traffic import Traffic, make_traffic, site_name
from bench.report import Bar
from shared.clock import DAY_MS
from tests.bench.short_form import result, run_short_form

EARLIER = Version("c0ffee", Path("/nowhere"))


def test_the_short_form_counts_all_events_and_leaves_no_process(directory: Path) -> None:
    done = run_short_form("bench", "--pipeline", TMPDIR=str(directory))
    assert done.returncode == 0, done.stderr
    assert list(directory.iterdir()) == []
    assert [pid for pid in psutil.pids() if str(directory) in directory_of(pid)] == []
    found = result("pipeline-quick")
    assert found["failed"] == {}
    [drained] = found["drained"][f"one site: {THIS.name}"]
    quarter = found["quarters"][THIS.name]
    for of, events in ((drained, QUICK.events), (quarter["drained"], QUICK.quarter)):
        assert of["events"] == events
        assert 0 < of["stored_seconds"] <= of["seconds"]
        assert min(of["cost"].values()) >= 0  # of hundredths of a second, a part may have none
        assert sum(of["cost"].values()) > 0
    assert len(quarter["thirds"]) == 3
    assert all(rate > 0 for rate in quarter["thirds"])
    assert quarter["segments"] > 0
    assert quarter["reporting"] > 0
    assert quarter["p95_ms"] > 0
    assert all(quarter["tables"][name] > 0 for name in ("events", "dedupe", "events_by_hour"))
    assert f"| one site | {THIS.name} | " in done.stdout


def directory_of(pid: int) -> str:
    try:
        return psutil.Process(pid).cwd()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def drained(per_second: float, cpu_us: float) -> Drained:
    events = 1000
    seconds = events / per_second
    return Drained(events, seconds, seconds, Cost(worker=cpu_us * events / 1e6))


def test_bars_are_of_medians_and_what_failed_is_none_of_them() -> None:
    results = Results()
    results.drained = {
        Case(ONE, THIS): [drained(1000, 50), drained(1200, 60), drained(100, 54)],
        Case(ONE, EARLIER): [drained(500, 100)],
        Case(SITES, THIS): [drained(600, 81)],
        Case(SITES, EARLIER): [],
    }
    found = {bar.name: (round(bar.figure, 3), bar.is_met) for bar in bars(results)}
    assert found == {
        "one site / c0ffee, events/s": (2.0, False),
        "one site / c0ffee, CPU an event": (0.54, True),
        "200 sites / one site, events/s": (0.6, False),
        "one site, CPU µs an event": (54.0, True),
        "200 sites, CPU µs an event": (81.0, False),
    }
    assert (status(results, bars(results), quick=False), status(results, [], quick=False)) == (1, 0)
    assert status(results, bars(results), quick=True) == 0
    [table] = results.tables()
    assert "| 200 sites | c0ffee | failed | " in table


def test_what_failed_is_said_is_not_tried_again_and_holds_up_nothing() -> None:
    tried: list[int] = []

    def fail() -> None:
        tried.append(1)
        raise CannotRun("worker ended: out of memory")

    results = Results()
    assert [results.take("a", fail), results.take("a", fail)] == [None, None]
    assert (len(tried), results.failed) == (1, {"a": "worker ended: out of memory"})
    assert results.take("b", lambda: 7) == 7
    assert status(results, [], quick=True) == 1


def test_each_third_has_its_own_rate() -> None:
    samples = [(0.0, 0), (1.0, 150), (2.0, 200), (6.0, 300), (7.0, 300)]
    assert thirds_of(samples, 300) == pytest.approx([150, 100 * 3 / 4, 25])


def moments(*rows: int) -> list[Moment]:
    return [Moment(second + 0.5, 0, found, 10 * found) for second, found in enumerate(rows)]


def test_rows_that_are_merged_as_fast_as_they_come_do_not_grow() -> None:
    assert growth(moments(0, 5, 100, 120, 80, 120)) == pytest.approx(100 / 110)
    results = Results(moments=moments(0, 100, 200, 300, 400, 500))
    assert bars(results) == [
        Bar("even pace, unmerged rows, last third of it / middle one", 450 / 250, "<= 1.5")
    ]
    assert pace_table(moments(*range(12))).splitlines()[2:] == [
        "| 10 s | 0 | 9 | 90 |",
        "| 12 s | 0 | 11 | 110 |",
    ]


def test_traffic_is_the_same_each_time_in_order_and_of_sites_by_zipf() -> None:
    traffic = Traffic(3000, 1_700_000_000_000, 3 * DAY_MS, sites=20, is_zipf=True)
    made = list(make_traffic(traffic))
    assert made == list(make_traffic(traffic))
    assert made == sorted(made, key=lambda event: event.timestamp)
    assert traffic.start <= made[0].timestamp <= made[-1].timestamp < traffic.start + 3 * DAY_MS
    assert len({event.event_id for event in made}) == len(made)
    counts = [sum(event.site_id == site_name(n) for event in made) for n in range(3)]
    assert counts[0] > 1.5 * counts[1] > 1.5 * counts[2]
    users = {(event.site_id, event.user_id) for event in made}
    assert len(users) / len(made) == pytest.approx(0.7, abs=0.05)


def test_mariadb_has_the_settings_that_docker_compose_gives_it() -> None:
    assert compose_options() == {
        "character-set-server": "utf8mb4",
        "innodb-buffer-pool-size": "1G",
        "innodb-log-file-size": "1G",
    }
