"""`footfall rebuild-rollups`, `verify`, and what `migrate` counts after an update."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, delete, event, func, insert, select, text, update

from footfall.rollups import rebuild_missing, rebuild_rollups, verify_rollups
from footfall.verify_progress import Progress
from shared.clock import DAY_MS
from shared.db.database import writing_engine
from shared.db.tables import events, events_by_day, events_by_hour, retention, sites
from shared.settings import Settings
from tests import earlier
from tests.counted import TODAY, commit, differences, varied_events
from tests.merged import merge
from tests.migration import migrate
from tests.servers import ROOT
from worker.stored.extent import EVER, Part
from worker.verify.verify import Verified

Run = Callable[..., tuple[int, str, list[str]]]
# What a command makes of its options is the same on each.
ON_ONE_SERVER = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MIGRATED = pytest.mark.parametrize("database_url", earlier.DATABASES, indirect=True)


@pytest.fixture
def configured(settings: Settings, database_url: str) -> Settings:
    return dataclasses.replace(settings, database_url=database_url)


@pytest.fixture
def engine(configured: Settings) -> Iterator[Engine]:
    engine = writing_engine(configured)
    yield engine
    engine.dispose()


@pytest.fixture
def counted(engine: Engine) -> Engine:
    migrate(engine)
    commit(engine, "b", varied_events(1, 300))
    merge(engine)
    return engine


@pytest.fixture
def run(configured: Settings) -> Run:
    """Runs `footfall ...`: its exit status, output and errors."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(configured.data_dir),
        "DATABASE_URL": configured.database_url,
    }

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        command = [sys.executable, "-m", "footfall", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr.splitlines()

    return run


def test_a_difference_is_printed_mended_and_gone(counted: Engine, run: Run) -> None:
    summary = "300 events of 2 sites on 3 days"
    assert run("verify") == (0, f"{summary}: no difference\n", [])
    with counted.begin() as connection:
        connection.execute(delete(events_by_day).where(events_by_day.c.site_id == "a"))
    status, output, errors = run("verify")
    assert (status, errors) == (1, [])
    lines = output.splitlines()
    assert lines[0].startswith("events_by_day: site='a' bucket=2025-11-13T00:00:00Z ")
    assert lines[-1].startswith(f"{summary}: ")
    assert lines[-1].endswith(" differences")
    assert run("rebuild-rollups") == (0, f"{summary}: rebuilt\n", [])
    assert run("verify")[0] == 0


def test_comparing_may_take_longer_than_questions_may(
    counted: Engine, configured: Settings
) -> None:
    hasty = dataclasses.replace(configured, query_seconds=0)
    rebuild_rollups(hasty, Part())
    assert verify_rollups(hasty, Part()) == (True, "300 events of 2 sites on 3 days: no difference")


@ON_ONE_SERVER
def test_site_and_days_can_be_chosen(counted: Engine, run: Run) -> None:
    with counted.begin() as connection:
        at = (events_by_hour.c.site_id == "a", events_by_hour.c.bucket == TODAY - DAY_MS)
        connection.execute(update(events_by_hour).where(*at).values(events=0))
    assert run("verify", "--site", "b")[0] == 0
    assert run("verify", "--since", "2025-11-15T10:00")[0] == 0
    assert run("verify", "--since", "2025-11-14")[0] == 1
    wrong = "give a UTC day as 2025-11-15, a moment, or an age as 36h"
    assert run("verify", "--since", "x") == (2, "", [f"footfall: --since x: {wrong}"])
    assert run("verify", "--to", "2025-11-13")[0] == 0
    day = ("--site", "a", "--from", "2025-11-14", "--to", "2025-11-14")
    assert run("verify", *day)[0] == 1
    status, output, _ = run("rebuild-rollups", *day)
    assert (status, output.partition(" of ")[2]) == (0, "1 site on 1 day: rebuilt\n")
    assert run("verify")[0] == 0


@ON_ONE_SERVER
def test_a_comparison_that_was_stopped_goes_on(
    counted: Engine, configured: Settings, run: Run
) -> None:
    path = configured.data_dir / "verify.json"
    refused = f"footfall: --resume: no comparison was stopped; see {path}"
    assert run("verify", "--resume") == (2, "", [refused])
    stopped = Progress(Part(), Verified(events=7, sites={"a"}, found={"x": 2}, reached=("a", EVER)))
    path.write_bytes(msgspec.json.encode(stopped))
    with counted.begin() as connection:
        of_b = connection.scalar(select(func.count()).where(events.c.site_id == "b")) or 0
    status, output, _ = run("verify", "--resume")
    summary = f"{7 + of_b} events of 2 sites on 3 days: 2 differences\n"
    assert (status, output, path.exists()) == (1, summary, False)


@ON_ONE_SERVER
def test_pruned_days_are_left_out_and_said_so(counted: Engine, run: Run) -> None:
    with counted.begin() as connection:
        connection.execute(insert(retention).values(id=1, pruned_before=TODAY))
    left = "2 days before 2025-11-15 left out, whose events may have been deleted for their age"
    for command in ("verify", "rebuild-rollups"):
        status, output, errors = run(command)
        assert (status, errors) == (0, [])
        assert output.endswith(f" of 2 sites on 1 day: {said(command)}; {left}\n")
    pruned = ("--to", "2025-11-14")
    assert run("rebuild-rollups", *pruned) == (2, "", [f"footfall: nothing is rebuilt: {left}"])
    status, output, _ = run("verify", *pruned)
    assert (status, output) == (0, f"0 events of 0 sites on 0 days: no difference; {left}\n")


def said(command: str) -> str:
    return "no difference" if command == "verify" else "rebuilt"


@ON_ONE_SERVER
@pytest.mark.parametrize("command", ["verify", "rebuild-rollups"])
def test_what_makes_no_sense_is_refused(counted: Engine, run: Run, command: str) -> None:
    unknown = "footfall: site 'x': it has neither events nor counts"
    assert run(command, "--site", "x") == (2, "", [unknown])
    backwards = (2, "", ["footfall: --from is after --to"])
    assert run(command, "--from", "2025-11-02", "--to", "2025-11-01") == backwards
    assert run(command, "--from", "yesterday")[0] == 2


@ON_ONE_SERVER
def test_sql_is_printed_for_a_site_and_days(counted: Engine, run: Run) -> None:
    days = ("--from", "2025-11-14", "--to", "2025-11-15")
    status, output, errors = run("verify", "--sql", "--site", "a", *days)
    assert (status, errors) == (0, [])
    assert output.startswith("-- /stats?site_id=a&from=2025-11-14&to=2025-11-15\n\n")
    assert output.count("SELECT ") == output.count(";\n") == 3
    refused = ["footfall: --sql needs --site, --from and --to"]
    assert run("verify", "--sql", *days) == (2, "", refused)


def test_a_database_without_tables_is_refused(run: Run) -> None:
    message = "footfall: DATABASE_URL: the database has no tables yet; run `make migrate`"
    for command in ("verify", "rebuild-rollups"):
        assert run(command) == (2, "", [message])


@MIGRATED
def test_after_an_update_the_events_of_before_are_counted(
    engine: Engine, configured: Settings, run: Run
) -> None:
    store_without_rollups(engine)
    status, _, errors = run("migrate")
    assert status == 0, errors
    assert errors[-1] == "INFO footfall: 300 events of 2 sites on 3 days: counted"
    assert differences(configured) == []
    assert not any("counted" in line for line in run("migrate")[2])


@MIGRATED
def test_counting_after_an_update_goes_on_where_it_was_killed(
    engine: Engine, configured: Settings
) -> None:
    store_without_rollups(engine)
    migrate(engine)

    def die(_connection: object, _cursor: object, statement: str, parameters: Any, *_: Any) -> None:
        if "SELECT /* worker.rebuild */" in statement and "b" in parameters:
            raise KeyboardInterrupt

    event.listen(Engine, "before_cursor_execute", die)
    with pytest.raises(KeyboardInterrupt):
        rebuild_missing(configured)
    event.remove(Engine, "before_cursor_execute", die)
    assert differences(configured) != []
    with engine.connect() as connection:
        assert connection.scalars(select(sites.c.site_id)).all() == ["a"]
    rebuild_missing(configured)
    assert differences(configured) == []


@MIGRATED
def test_a_site_half_counted_after_an_update_is_counted_whole(
    engine: Engine, configured: Settings
) -> None:
    store_without_rollups(engine)
    migrate(engine)
    days = 0

    def die(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        nonlocal days
        days += "SELECT /* worker.rebuild */" in statement
        if days == 3:
            raise KeyboardInterrupt

    event.listen(Engine, "before_cursor_execute", die)
    with pytest.raises(KeyboardInterrupt):
        rebuild_missing(configured)
    event.remove(Engine, "before_cursor_execute", die)
    commit(engine, "late", varied_events(2, 50, days=1))
    rebuild_missing(configured)
    assert differences(configured) == []


def store_without_rollups(engine: Engine) -> None:
    """Events as the first version stored them."""
    migrate(engine, "0001")
    columns = "site_id, timestamp, event_id, event_type, received_at, path, user_id, country"
    places = ", ".join(f":{name}" for name in columns.split(", "))
    with engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO events ({columns}) VALUES ({places})"),
            [
                {name: getattr(made, name) for name in columns.split(", ")}
                for made in varied_events(1, 300)
            ],
        )
        connection.execute(text("INSERT INTO outcomes VALUES ('stored', '', 0, 300)"))
