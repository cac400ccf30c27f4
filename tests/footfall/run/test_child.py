"""When a program is started again, and when it is given up."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from footfall.run.child import LONGEST_DELAY_SECONDS, MOST_EARLY_DEATHS, CannotRun, Child
from footfall.run.console import Console
from footfall.run.process import Process, Program, describe
from tests.servers import wait_until


def program(code: str) -> Program:
    return Program("it", (sys.executable, "-c", code), stop_phase=0)


def tend_until_given_up(child: Child) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            child.tend()
        except CannotRun as error:
            return str(error)
        time.sleep(0.01)
    pytest.fail("not given up")


def starts(path: Path) -> int:
    return len(path.read_text()) if path.exists() else 0


def counting(path: Path, then: str) -> Program:
    """A program that leaves a mark at each start."""
    return program(f"import os, sys; open({str(path)!r}, 'a').write('.'); {then}")


def test_what_ends_early_again_and_again_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    child = Child(counting(marks, "print('no luck'); sys.exit(3)"), Console())
    reason = tend_until_given_up(child)
    assert reason == "it cannot run: it ended with exit status 3\n    no luck"
    assert starts(marks) == MOST_EARLY_DEATHS


def test_a_bad_setting_is_given_up_at_once(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    child = Child(counting(marks, "sys.exit(2)"), Console())
    assert "exit status 2" in tend_until_given_up(child)
    assert starts(marks) == 1


def test_what_is_killed_from_outside_is_never_given_up() -> None:
    child = Child(program("import os; os.kill(os.getpid(), 9)"), Console())
    child.early_deaths = 10 * MOST_EARLY_DEATHS
    while child.process is not None:
        child.tend()
    assert child.start_at - time.monotonic() <= LONGEST_DELAY_SECONDS


def test_what_a_dead_process_leaves_behind_is_ended_before_the_next_start() -> None:
    child = Child(
        program(
            "import subprocess, sys, time;"
            "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
            "print(left.pid, flush=True); time.sleep(0.2); sys.exit(1)"
        ),
        Console(),
    )
    first = child.process
    assert first is not None
    wait_until(lambda: first.poll() is not None and first.last_lines)
    left_behind = psutil.Process(int(first.last_lines[0]))
    child.tend()
    wait_until(lambda: not left_behind.is_running())
    assert child.process is None


def test_an_endless_line_is_passed_on_in_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    process = Process(program("print('x' * 200_000)"), Console())
    wait_until(lambda: process.poll() is not None)
    assert process.end() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.count("x") for line in lines] == [65_536, 65_536, 65_536, 3_392]


@pytest.mark.parametrize(
    ("status", "words"), [(0, "exit status 0"), (-9, "SIGKILL"), (-40, "signal 40")]
)
def test_an_exit_status_is_said_in_words(status: int, words: str) -> None:
    assert describe(status) == words
