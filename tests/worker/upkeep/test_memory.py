"""How much memory there is, as control groups tell it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from worker.stopping import StopFlag
from worker.upkeep import merging
from worker.upkeep.memory import memory_bytes
from worker.upkeep.merging import LEAST_EVENTS, MERGE_EVENTS, Merger

MACHINE = memory_bytes(Path("/nowhere"), Path("/nowhere"))
GIB = 1 << 30


def test_of_a_machine_without_bounds_it_is_all(tmp_path: Path) -> None:
    assert MACHINE > 1 << 28
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes(tmp_path, tmp_path / "none") == MACHINE


@pytest.mark.parametrize(
    ("own", "file"),
    [
        ("0::/\n", "memory.max"),
        ("0::/a/b\n", "a/b/memory.max"),
        ("0::/a/b\n", "a/memory.max"),
        ("0::/a/b\n", "memory.max"),
        ("4:memory:/x\n", "memory/memory.limit_in_bytes"),
        ("", "memory.max"),
    ],
)
def test_the_least_bound_holds_of_its_group_and_those_around_it(
    tmp_path: Path, own: str, file: str
) -> None:
    groups, mine = tmp_path / "groups", tmp_path / "own"
    mine.write_text(own)
    for path, number in (("memory.max", 1 << 60), (file, 1 << 20)):
        (groups / path).parent.mkdir(parents=True, exist_ok=True)
        (groups / path).write_text(f"{number}\n")
    assert memory_bytes(groups, mine) == 1 << 20


@pytest.mark.parametrize(
    ("memory", "events"),
    [(1 << 20, LEAST_EVENTS), (2 * GIB, 200_000), (4 * GIB, MERGE_EVENTS), (1 << 50, MERGE_EVENTS)],
)
def test_more_is_merged_at_once_where_there_is_more(
    monkeypatch: pytest.MonkeyPatch, memory: int, events: int
) -> None:
    monkeypatch.setattr(merging, "memory_bytes", lambda: memory)
    assert Merger(create_engine("sqlite://"), StopFlag()).portion == events
