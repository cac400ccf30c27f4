"""An access log as numbered lines, each with an id that follows from the file's content alone.

A line's id is the digest of its text and of the id before it, and so of everything up to its end.
Thus equal lines of one file differ, the lines of two files differ from where the files do, and
neither the file's name, its compression nor what is appended later changes an id. (A digest of the
whole file would change with each appended line. A line's number and text alone, even with those of
the first lines, may be the same in the logs of two servers that answer the same health checks.)
"""

import gzip
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from footfall.importing.errors import CannotImport
from footfall.importing.stopping import Stopping

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = "-"
MAX_LINE_BYTES = 64 * 1024
DIGEST_BYTES = 20
# By so much, some 20 lines, a place in a file is known again.
TAIL_BYTES = 4096
# How often a pipe in which nothing comes asks whether to stop.
STOP_SECONDS = 0.2
GZIP_MAGIC = b"\x1f\x8b"
# The last two: gzip data that ends early or is damaged.
READ_ERRORS = (OSError, EOFError, zlib.error)


class Line(NamedTuple):
    """One line, without its end. One of MAX_LINE_BYTES or more is cut."""

    number: int
    id: str
    text: bytes
    is_cut: bool


class Position(msgspec.Struct, frozen=True):
    """Behind a line: where to go on, and how to know that it is the same file.

    `offset` is in bytes, decompressed; `tail` is the digest of the TAIL_BYTES before it.
    """

    offset: int = 0
    lines: int = 0
    last_id: str = ""
    tail: str = ""


class LogFile:
    """The lines of an open file, from its beginning or a position on."""

    def __init__(self, name: str, raw: "io.BufferedReader[io.FileIO]") -> None:
        self.name = name
        self.raw = raw
        is_gzip = raw.peek(2)[:2] == GZIP_MAGIC
        self.stream: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if is_gzip else raw
        described = os.fstat(raw.fileno())
        # A pipe can be neither measured nor read again.
        self.size = described.st_size if stat.S_ISREG(described.st_mode) else None
        self.problem: CannotImport | None = None
        self.go_to(Position(), b"")

    def go_to(self, position: Position, tail: bytes) -> None:
        self.offset = position.offset
        self.lines = position.lines
        self.last_id = position.last_id
        self.tail = tail

    def first_id(self) -> str:
        """The id of the first line, by which a file is looked up; empty if there is none."""
        line = next(iter(self), None)
        self.rewind()
        return line.id if line else ""

    def rewind(self) -> None:
        self.stream.seek(0)
        self.go_to(Position(), b"")

    def resume(self, position: Position) -> bool:
        """Go on behind `position`; False where this is not the file it was taken in."""
        start = max(0, position.offset - TAIL_BYTES)
        try:
            self.stream.seek(start)
            tail = self.stream.read(position.offset - start)
        except READ_ERRORS as error:
            raise self.unreadable(error) from error
        if digest(tail) != position.tail:
            return False
        self.go_to(position, tail)
        if tail and not tail.endswith(b"\n"):
            self.skip_line()  # the last line had no end then; what it got since is no line
        return True

    def __iter__(self) -> Iterator[Line]:
        """The lines to the file's end, or to where it cannot be read: then `problem` is set."""
        while True:
            try:
                line = self.next_line()
            except READ_ERRORS as error:
                self.problem = self.unreadable(error)
                return
            if line is None:
                return
            yield line

    def next_line(self) -> Line | None:
        text = self.read(MAX_LINE_BYTES)
        if not text:
            return None
        is_cut = len(text) == MAX_LINE_BYTES and not text.endswith(b"\n")
        if is_cut:
            self.skip_line()
        text = text.rstrip(b"\r\n")  # the last line's id is the same with and without an end
        self.lines += 1
        self.last_id = digest(self.last_id.encode() + text)
        return Line(self.lines, self.last_id, text, is_cut)

    def read(self, most: int) -> bytes:
        text = self.stream.readline(most)
        self.offset += len(text)
        self.tail = (self.tail + text)[-TAIL_BYTES:]
        return text

    def skip_line(self) -> None:
        while (text := self.read(MAX_LINE_BYTES)) and not text.endswith(b"\n"):
            pass

    def position(self) -> Position:
        return Position(self.offset, self.lines, self.last_id, digest(self.tail))

    def position_in_file(self) -> int:
        """How much of `size` is read, compressed or not."""
        return self.raw.tell() if self.size is not None else self.offset

    def unreadable(self, error: BaseException) -> CannotImport:
        return CannotImport(f"{self.name} cannot be read behind line {self.lines:,}: {error}")


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


class Pipe(io.FileIO):
    """Standard input; a request to stop ends it, also while nothing comes."""

    def __init__(self, stopping: Stopping) -> None:
        super().__init__(sys.stdin.fileno(), closefd=False)
        self.stopping = stopping

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not select.select([self], [], [], STOP_SECONDS)[0]:
            if self.stopping.stop_requested:
                return 0
        return super().readinto(buffer)


@contextmanager
def opened(name: str, stopping: Stopping) -> Iterator[LogFile]:
    """The file of this name, gzip or plain; `-` is standard input. Raises CannotImport."""
    is_stdin = name == STDIN
    try:
        # Unbuffered, then buffered: what open() makes of a file and what a Pipe is, alike.
        raw = io.BufferedReader(Pipe(stopping) if is_stdin else io.FileIO(name))
    except OSError as error:
        raise CannotImport(f"{name} cannot be opened: {error.strerror}") from error
    with raw:
        shown = os.fsencode(name).decode("utf-8", "replace")  # any bytes may be a file's name
        yield LogFile("standard input" if is_stdin else shown, raw)
