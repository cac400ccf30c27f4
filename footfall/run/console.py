"""The supervisor's output: whole lines from many processes, each prefixed by who said it."""

import io
import os
import sys
import threading

WIDTH = len("ingestion")
OWN_NAME = "footfall"
# Cyan, yellow, green, magenta, blue: readable on black and on white.
COLOURS = (36, 33, 32, 35, 34)


class Console:
    """Writes lines to standard output; safe to call from any thread."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # whose encoding may be a narrow one
            sys.stdout.reconfigure(errors="backslashreplace")
        self.lock = threading.Lock()
        self.colours: dict[str, int] = {OWN_NAME: 1}  # bold
        self.coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        self.line(OWN_NAME, text)

    def line(self, name: str, text: str) -> None:
        self.write(f"{self.prefix(name)} {text}\n")

    def write(self, text: str) -> None:
        with self.lock:
            try:
                sys.stdout.write(text)
                sys.stdout.flush()
            except OSError:
                # Nobody reads any more (`make run | head`); `Signals` notices, and all stops.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def prefix(self, name: str) -> str:
        padded = f"{name:<{WIDTH}} |"
        if not self.coloured:
            return padded
        colour = self.colours.setdefault(name, COLOURS[len(self.colours) % len(COLOURS)])
        return f"\033[{colour}m{padded}\033[0m"
