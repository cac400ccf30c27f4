"""The versions that are compared: this working tree, and a commit that is checked out for as long
as it is measured. Both run in this virtual environment; PYTHONPATH decides whose modules run.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ROOT


@dataclass(frozen=True)
class Version:
    """`name` is what the report calls it, `tree` the directory that its modules are in."""

    name: str
    tree: Path


THIS = Version("this tree", ROOT)


@contextmanager
def checked_out(commit: str) -> Iterator[Version]:
    """The commit in a temporary git worktree, which is removed however the block ends.

    Exits where there is no such commit.
    """
    found = git("rev-parse", "--short", "--verify", "--quiet", f"{commit}^{{commit}}")
    if found.returncode:
        sys.exit(f"{commit} is no commit of this repository {found.stderr}".rstrip())
    name = found.stdout.strip()
    with tempfile.TemporaryDirectory(prefix="ff-") as directory:
        tree = Path(directory, name)
        try:
            git("worktree", "add", "--detach", str(tree), name).check_returncode()
            yield Version(name, tree)
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
