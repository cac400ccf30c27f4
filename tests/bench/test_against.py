"""Two versions in one run: in turn, judged by their ratio, and nothing left behind."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.against.compare import verdict
from bench.against.door import door_measures
from bench.against.figures import Figure, Measured, measure, print_figures
from bench.against.programs import CannotRun, migrate
from bench.against.versions import THIS, Version
from tests.bench.short_form import NO_WRK, result, run_short_form
from tests.conftest import require
from tests.servers import PATIENCE_SECONDS, ROOT, ValkeyServer

EARLIER = Version("earlier", Path("/nowhere"))


def assert_nothing_is_left(directory: Path) -> None:
    assert list(directory.iterdir()) == []
    assert str(directory) not in worktrees()


def worktrees() -> str:
    command = ["git", "worktree", "list"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("repository")
def test_the_short_comparison_gives_all_its_figures_and_leaves_nothing(directory: Path) -> None:
    done = run_short_form("bench", "--against", "HEAD", "--bar", "0", TMPDIR=str(directory))
    assert done.returncode == 0, done.stderr
    assert_nothing_is_left(directory)
    figures = result("against-quick")["figures"]
    assert figures.keys() > {"door on granian-4, batches of 100", "worker to mariadb"}
    assert figures.keys() > {f"{kind}: stats, 90 days" for kind in ("sqlite", "mariadb")}
    assert all(figure["ratio"] > 0 for figure in figures.values())
    assert "14 of 14 figures reach 0.0" in done.stdout


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("arguments", "number"),
    [([], signal.SIGINT), ([], signal.SIGTERM), (["--door"], signal.SIGTERM)],
)
def test_ended_early_it_leaves_nothing(
    directory: Path, arguments: list[str], number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--against", "HEAD", *arguments]
    environment = os.environ | {"TMPDIR": str(directory)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("round 1 of 1: ")
        assert str(directory) in worktrees()
        process.send_signal(number)
        process.stderr.read()
        assert process.wait(PATIENCE_SECONDS) != 0
    assert_nothing_is_left(directory)


@pytest.mark.usefixtures("repository")
def test_what_is_no_commit_is_said() -> None:
    done = run_short_form("bench", "--against", "no-such-commit")
    assert done.returncode == 1
    assert done.stderr == "no-such-commit is no commit of this repository\n"


def test_versions_take_turns_at_going_first() -> None:
    asked: list[str] = []

    def note(name: str, version: Version) -> Measured:
        asked.append(f"{name} {version.name}")
        return Measured(1.0, 1.0)

    def a(version: Version) -> Measured:
        return note("a", version)

    def b(version: Version) -> Measured:
        return note("b", version)

    this = Version("this", ROOT)
    measure({"a": a, "b": b}, this, EARLIER, rounds=2)
    first = ["a this", "a earlier", "b this", "b earlier"]
    assert asked == [*first, "a earlier", "a this", "b earlier", "b this"]


def figure(name: str, this: list[float], earlier: list[float]) -> Figure:
    return Figure(name, [Measured(n, 1 / n) for n in this], [Measured(n, 1 / n) for n in earlier])


def test_the_ratio_is_that_of_the_medians_and_the_bar_holds_for_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    slower = figure("slower", [90, 100, 1], [100, 200, 100])
    faster = figure("faster", [110, 120, 130], [60, 50, 70])
    assert (slower.ratio, faster.ratio) == (0.9, 2.0)
    assert verdict([slower, faster], bar=0.9) == 0
    assert verdict([slower, faster], bar=0.97) == 1
    assert capsys.readouterr().out.endswith("1 of 2 figures reach 0.97\nMISSED: slower\n")
    print_figures([slower, faster], "c0ffee", bar=0.97)
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert printed[2:] == [
        "slower 90 100 0.900 0.01 to 0.90 11,111.1 10,000.0 1.111 MISSED",
        "faster 120 60 2.000 1.83 to 2.40 8,333.3 16,666.7 0.500",
    ]


def test_an_earlier_version_without_its_dependency_is_named_and_no_obstacle(
    valkey: ValkeyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require(shutil.which("wrk"), NO_WRK)
    for name in ("ingestion", "footfall"):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text("import something_it_had\n")
    old = Version("old", tmp_path)
    measures = door_measures(valkey, ("granian-4",), seconds=1)
    figures = measure(measures, THIS, old, rounds=1)
    reason = "ModuleNotFoundError: No module named 'something_it_had'"
    assert [f.missing for f in figures] == [f"ingestion: {reason}"] * 2
    assert all(f.this and not f.earlier for f in figures)
    assert verdict(figures, bar=0.97) == 0
    print_figures(figures, "old", bar=0.97)
    assert f"not compared: ingestion: {reason}" in capsys.readouterr().out
    with pytest.raises(CannotRun, match=f"footfall migrate: {reason}"):
        migrate(old, {})


def test_what_this_tree_cannot_run_is_an_error_and_the_earlier_version_is_tried_once() -> None:
    tried: list[Version] = []

    def run(version: Version) -> Measured:
        tried.append(version)
        if version is EARLIER:
            raise CannotRun("worker: ImportError: nothing")
        return Measured(1.0, 1.0)

    [found] = measure({"a": run}, THIS, EARLIER, rounds=3)
    assert (len(found.this), found.missing) == (3, "worker: ImportError: nothing")
    assert tried.count(EARLIER) == 1
    with pytest.raises(CannotRun):
        measure({"a": run}, EARLIER, THIS, rounds=1)
