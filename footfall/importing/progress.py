"""How far an import has come: a file under DATA_DIR/imports, replaced after each answer.

It is named by the site and the log's first line. Where logs begin with the same line, each has a
file of its own; which one is a log's is told by the bytes before the position in it.
"""

import os
from pathlib import Path

import msgspec

from footfall.importing.errors import CannotImport
from footfall.importing.log_file import LogFile, Position, digest
from shared.settings import Settings


class Progress(msgspec.Struct, frozen=True):
    """What ingestion has confirmed of one log for one site, all runs together.

    Every line read is one of accepted, rejected and bad; repaired ones are accepted or rejected.
    """

    site: str
    url: str
    users: str
    event_type: str
    position: Position = Position()
    accepted: int = 0
    repaired: int = 0
    rejected: int = 0
    bad: int = 0
    # The earliest day, UTC, of an accepted event.
    first_day: str = ""


class ProgressFile:
    """Where a Progress is kept; nowhere for a log that cannot be read again."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def save(self, progress: Progress) -> None:
        """Replace the file as a whole: a crash leaves the old one or the new one."""
        if self.path is None:
            return
        try:
            written = self.path.with_suffix(".new")
            written.write_bytes(msgspec.json.format(msgspec.json.encode(progress)))
            os.replace(written, self.path)
        except OSError as error:
            raise CannotImport(f"{self.path} cannot be written: {error.strerror}") from error


def imports_directory(settings: Settings) -> Path:
    """DATA_DIR/imports, made if need be. Raises CannotImport."""
    directory = settings.data_dir / "imports"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotImport(f"DATA_DIR: {directory} cannot be made: {error.strerror}") from error
    return directory


def find_progress(log: LogFile, directory: Path, site: str) -> tuple[ProgressFile, Progress | None]:
    """The log's progress file, and what it says if there is one; the log is then behind it."""
    if log.size is None:
        return ProgressFile(None), None
    key = digest(f"{site}\0{log.first_id()}".encode())
    number = 1
    while (path := directory / f"{key}-{number}.json").exists():
        progress = load(path)
        if log.resume(progress.position):
            return ProgressFile(path), progress
        number += 1
    log.rewind()
    return ProgressFile(path), None


def load(path: Path) -> Progress:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError) as error:
        raise CannotImport(
            f"{path} does not say how far the import came ({error}); delete it to begin anew"
        ) from error
