"""What has landed stays as it is: databases have run it, and will not run it again."""

import hashlib
from pathlib import Path

import pytest

MIGRATIONS = Path(__file__).parents[2] / "migrations"
NEVER = (
    "A migration that landed is never changed, renamed or deleted: databases that have run it will "
    "not run it again, and would differ from new ones for ever. Take it back, and write a new "
    "migration. A new one gets its line by: "
    "cd migrations && sha256sum versions/[0-9]*.py > landed.sha256"
)


def listed(directory: Path) -> dict[str, str]:
    """The digest of each file that has landed."""
    lines = (directory / "landed.sha256").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def found(directory: Path) -> dict[str, str]:
    """The digest of each file that is there."""
    paths = sorted(directory.glob("versions/[0-9]*.py"))
    return {
        f"versions/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def differing(directory: Path) -> list[str]:
    """The files that were changed, are missing or are not listed."""
    return sorted({name for name, _ in listed(directory).items() ^ found(directory).items()})


def test_migrations_that_landed_never_change() -> None:
    assert differing(MIGRATIONS) == [], NEVER
    assert len(found(MIGRATIONS)) >= 5


@pytest.mark.parametrize("what", ["changed", "missing", "not listed"])
def test_a_change_is_noticed(tmp_path: Path, what: str) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    for path in MIGRATIONS.glob("versions/*.py"):
        (versions / path.name).write_bytes(path.read_bytes())
    (tmp_path / "landed.sha256").write_bytes((MIGRATIONS / "landed.sha256").read_bytes())
    assert differing(tmp_path) == []
    name = "0002_rollups.py"
    if what == "changed":
        (versions / name).write_bytes((versions / name).read_bytes() + b"\n")
    elif what == "missing":
        (versions / name).unlink()
    else:
        name = "0099_new.py"
        (versions / name).touch()
    assert differing(tmp_path) == [f"versions/{name}"]
