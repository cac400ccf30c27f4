"""What a run shows while it goes: in a terminal a line that is written anew each second."""

import sys

from footfall.load.measures import Figures

ERASE_LINE = "\r\033[K"
# Into a file or a pipe, a line each so many seconds.
SECONDS_BETWEEN_LINES = 5

HEAD = "   time  accepted/s  p50 ms   p95 ms   p99 ms   errors  overdue  backlog"


class Display:
    """Writes to standard error. A context: it leaves its last line behind."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        self.has_head = False

    def show(self, figures: Figures, backlog: int | None) -> None:
        if not (self.is_terminal or round(figures.elapsed_seconds) % SECONDS_BETWEEN_LINES == 0):
            return
        if not self.has_head:
            self.write(f"{HEAD}\n")
            self.has_head = True
        line = line_of(figures, backlog)
        self.write(f"{ERASE_LINE}{line}" if self.is_terminal else f"{line}\n")

    def write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_terminal and self.has_head:
            self.write("\n")


def line_of(figures: Figures, backlog: int | None) -> str:
    shown = "?" if backlog is None else f"{backlog:,}"
    return (
        f"{figures.elapsed_seconds:5.0f} s  {figures.rate:10,.0f}  {figures.p50_ms:6.1f} "
        f"{figures.p95_ms:8.1f} {figures.p99_ms:8.1f} {figures.errors:8,} {figures.overdue:8,} "
        f"{shown:>8}"
    )
