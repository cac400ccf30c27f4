"""Running what is asynchronous beside a browser, whose own loop may live in this very thread."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_looped(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns, from a loop and a thread of its own."""
    with ThreadPoolExecutor(1, "looped") as threads:
        return threads.submit(asyncio.run, coroutine).result()
