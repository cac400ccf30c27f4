"""Running what is asynchronous beside a browser, whose own loop may live in this very thread."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
# One that stays: a server that is started in a thread may end with it.
THREAD = ThreadPoolExecutor(1, "looped")


def run_looped(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns, from a loop of its own in a thread that is not this one."""
    return THREAD.submit(asyncio.run, coroutine).result()
