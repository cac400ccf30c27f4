"""How far `footfall verify` has come: a file in DATA_DIR, by which one that was stopped goes on."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shared.errors import InvalidInput
from shared.settings import Settings
from worker.stored.extent import Part
from worker.verify.verify import Verified

# What was compared for longer than this is not compared again.
SAVE_SECONDS = 2.0


@dataclass
class Progress:
    """What was asked for, and what is compared of it."""

    part: Part
    verified: Verified


class ProgressFile:
    def __init__(self, settings: Settings) -> None:
        self.path: Path = settings.data_dir / "verify.json"
        self.saved_at = time.monotonic()

    def load(self) -> Progress:
        """Raises InvalidInput where there is none."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Progress)
        except (OSError, msgspec.MsgspecError) as error:
            raise InvalidInput(
                "nothing_to_resume", f"--resume: no comparison was stopped; see {self.path}"
            ) from error

    def save(self, progress: Progress) -> None:
        """Now and then. Where it cannot be written, the next comparison begins anew."""
        if time.monotonic() < self.saved_at + SAVE_SECONDS:
            return
        self.saved_at = time.monotonic()
        written = self.path.with_suffix(".new")
        with suppress(OSError):
            written.write_bytes(msgspec.json.encode(progress))
            os.replace(written, self.path)

    def forget(self) -> None:
        with suppress(OSError):
            self.path.unlink()
