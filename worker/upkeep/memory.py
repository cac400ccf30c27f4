"""How much memory there is for a process: the machine's, or less where a container's is bounded."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
# Of Linux's two versions of control groups.
BOUNDS = ("memory.max", "memory/memory.limit_in_bytes")


def memory_bytes(groups: Path = CONTROL_GROUPS, own: Path = OWN_GROUP) -> int:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *bounds_of(groups, own)])


def bounds_of(groups: Path, own: Path) -> Iterator[int]:
    """Those of its control group and of all that this is in."""
    group = groups
    with suppress(OSError):
        group /= own.read_text().rpartition("::")[2].strip().lstrip("/")
    for directory in (group, *group.parents):
        for name in BOUNDS:
            with suppress(OSError, ValueError):  # there is none, or it is "max"
                yield int((directory / name).read_text())
        if directory == groups:
            return
