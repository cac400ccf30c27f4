"""What an import shows while it runs: a bar where somebody looks, and messages in any case."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

ERASE_LINE = "\r\033[K"


class Display:
    """Writes to standard error; a bar only to a terminal, for a file of known size."""

    def __init__(self, label: str, size_bytes: int | None) -> None:
        shows_bar = bool(size_bytes) and sys.stderr.isatty()
        self.bar: ProgressBar[int] | None = (
            click.progressbar(length=size_bytes, label=label, file=sys.stderr)
            if shows_bar
            else None
        )

    def say(self, text: str) -> None:
        if self.bar is not None:
            click.echo(ERASE_LINE, err=True, nl=False)
        click.echo(text, err=True)

    def move_to(self, position: int) -> None:
        if self.bar is not None:
            self.bar.update(position - self.bar.pos)

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.__exit__(kind, error, trace)
