"""What a loop asks to know that it should end; the real one is footfall.run.signals."""

from typing import Protocol


class Stopping(Protocol):
    """Whether to stop, and a sleep that ends early when that changes."""

    stop_requested: bool

    def wait(self, seconds: float) -> None: ...
