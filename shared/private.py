"""What Footfall keeps on disk is for its owner alone: addresses, names and salts are in it."""

import logging
import os
import stat
from pathlib import Path

from shared.settings import Settings

log = logging.getLogger("footfall")

# What group and others may: nothing.
UMASK = 0o077


def keep_private(settings: Settings) -> None:
    """Make what this process creates from now on readable by its owner only, and DATA_DIR with the
    database in it, which earlier versions let everybody read."""
    os.umask(UMASK)
    opened = [
        path
        for path in (settings.data_dir, *settings.data_dir.glob("footfall.db*"))
        if close_to_others(path)
    ]
    if settings.data_dir in opened:
        log.info("DATA_DIR: %s is readable by its owner only from now on", settings.data_dir)


def close_to_others(path: Path) -> bool:
    """Returns whether they could do anything with it. What is not ours stays as it is."""
    try:
        found = path.stat()
        if found.st_uid != os.geteuid() or not found.st_mode & UMASK:
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~UMASK)
    except OSError:  # it is not there, or its file system knows no modes
        return False
    return True


def told_to_others(settings: Settings) -> str | None:
    """A sentence where others than its owner may read DATA_DIR; nothing is changed."""
    try:
        mode = settings.data_dir.stat().st_mode
    except OSError:  # it is not there, or somebody else's
        return None
    if not mode & UMASK:
        return None
    return f"{settings.data_dir} has the mode {stat.S_IMODE(mode):04o}"
