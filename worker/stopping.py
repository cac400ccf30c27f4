"""Whether this process was asked to stop: a flag that a signal handler may set at any line."""

import time

LOOK_SECONDS = 0.05


class StopFlag:
    """Like threading.Event, without its lock.

    A handler runs in the main thread, between any two steps of what it interrupts: there
    threading.Event's `set` would wait for ever for the lock that its own `wait` holds.
    """

    def __init__(self) -> None:
        self.requested = False

    def set(self) -> None:
        self.requested = True

    def is_set(self) -> bool:
        return self.requested

    def wait(self, seconds: float) -> bool:
        """Sleep for `seconds`, or until a stop is requested; returns whether it is."""
        deadline = time.monotonic() + seconds
        while not self.requested and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
        return self.requested
