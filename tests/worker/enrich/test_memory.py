"""What is remembered of events is bounded in bytes: anybody may send new values, each of 2 kB."""

import tracemalloc
from collections.abc import Callable

import pytest

from shared.counts.rollups import key_of, value_key
from shared.urls import host_from
from worker.enrich.sources import find_source, source_from

LONG = "x" * 2000
MAX_BYTES = 3_000_000


@pytest.mark.parametrize(
    "remember",
    [
        lambda number: value_key(f"/{number}/{LONG}"),
        lambda number: source_from(f"https://example.org/{number}/{LONG}", "site", None),
        lambda number: source_from(f"{number} {LONG}", "site", None),
        lambda number: host_from(f"https://{number}.example.org/{LONG}"),
    ],
)
def test_long_values_are_not_kept(remember: Callable[[int], object]) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5000):
            remember(number)
        assert tracemalloc.get_traced_memory()[0] - before < MAX_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 2000])
def test_a_value_has_the_same_key_whether_it_is_kept_or_not(length: int) -> None:
    assert value_key("ä" * length) == value_key("ä" * length) == key_of("ä" * length)


@pytest.mark.parametrize("length", [0, 280, 281, 2000])
def test_a_referrer_has_the_same_source_whether_it_is_kept_or_not(length: int) -> None:
    referrer = "https://example.org/" + "x" * length
    assert source_from(referrer, "site", None) == find_source(referrer, "site", None)
    assert source_from(referrer, "site", None) == "example.org"
