"""Become a command that gets SIGTERM when its parent dies, of whatever it dies.

Run as a file: `python -I -S leash.py PARENT_PID PROGRAM ARGUMENT...` (Linux only). The request is
made here and not in a `preexec_fn`, which deadlocks where the parent has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:  # else it died before the request was made
        os.execv(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
