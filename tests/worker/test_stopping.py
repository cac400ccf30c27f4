"""The flag that a signal handler sets."""

import threading
import time

from worker.stopping import StopFlag


def test_a_wait_ends_early_when_a_stop_is_requested() -> None:
    flag = StopFlag()
    threading.Timer(0.1, flag.set).start()
    started = time.monotonic()
    assert flag.wait(120)
    assert time.monotonic() - started < 60
    assert flag.is_set()


def test_a_wait_that_nothing_ends_takes_its_time() -> None:
    flag = StopFlag()
    started = time.monotonic()
    assert not flag.wait(0.12)
    assert time.monotonic() - started >= 0.12
