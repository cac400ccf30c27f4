"""A wrong clock and a full disk, for processes that preload what tells them so."""

import mmap
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers import ValkeyServer

SOURCE = Path(__file__).with_name("preload.c")
NS_PER_SECOND = 1_000_000_000
# By how many nanoseconds the clock is wrong; whether the disk is full.
WORDS = struct.Struct("=qq")


class Lies:
    """What the processes with this `environment` are told. They are told the truth at first.

    Needs a C compiler. Raises OSError, and CalledProcessError with what the compiler says.
    """

    def __init__(self, directory: Path) -> None:
        library, told = directory / "preload.so", directory / "faults"
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("cc is not installed; to get it: apt-get install gcc libc6-dev")
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        told.write_bytes(bytes(WORDS.size))
        with told.open("r+b") as file:
            self.words = mmap.mmap(file.fileno(), WORDS.size)
        self.environment = {"LD_PRELOAD": str(library), "FAULTS": str(told)}
        self.seconds, self.is_full = 0, False

    def tell(self) -> None:
        self.words[:] = WORDS.pack(self.seconds * NS_PER_SECOND, self.is_full)

    @contextmanager
    def clock_moved(self, seconds: int) -> Iterator[None]:
        self.seconds = seconds
        self.tell()
        yield
        self.seconds = 0
        self.tell()

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        self.is_full = True
        self.tell()
        yield
        self.is_full = False
        self.tell()


class PreloadedValkey(ValkeyServer):
    """As `footfall run` starts it: what it acknowledged is on disk."""

    def __init__(self, lies: Lies) -> None:
        super().__init__({"appendfsync": "always"})
        self.lies = lies

    def environment(self) -> Mapping[str, str]:
        return dict(super().environment()) | self.lies.environment
