"""Signals as something a loop waits for: no code of ours runs at an arbitrary line."""

import os
import select
import signal
import socket
import sys
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Knows whether this process was asked to stop, and sleeps until something happens.

    A handler only sets a flag; the interpreter writes each signal to a socket that `wait` watches,
    so that a signal just before the sleep ends it too.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        # A copy: the console replaces an output that fails.
        self.output = os.dup(sys.stdout.fileno())
        self.poll = select.poll()
        self.poll.register(self.reader, select.POLLIN)
        self.poll.register(self.output, 0)  # its end is reported all the same

    def listen(self) -> None:
        """Take over the process's signals; to be called in the main thread."""
        signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            # Under `nohup` a hang-up is ignored and stays so. An ignored SIGINT, as a shell gives
            # its background jobs, is taken: there is no other reason to send it.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.request_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the default would not wake anybody

    def request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`, or until a signal arrives or a child process ends.

        The end of the terminal, or of the pipe that the output goes to, is a request to stop: of a
        terminal only its first process is told, which may be `make` and not pass it on.
        """
        for descriptor, _ in self.poll.poll(max(seconds, 0) * 1000):
            if descriptor == self.output:
                self.stop_requested = True
                self.poll.unregister(self.output)
            else:
                self.reader.recv(4096)
