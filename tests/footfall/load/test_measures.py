"""Percentiles and figures."""

from random import Random

import pytest

from footfall.load.measures import Latencies, Measures


def test_percentiles_are_right_within_two_percent() -> None:
    random = Random(3)
    seconds = [random.lognormvariate(-5, 1) for _ in range(10_000)]
    latencies = Latencies()
    for each in seconds:
        latencies.add(each)
    seconds.sort()
    for share in (0.5, 0.95, 0.99, 1.0):
        exact = seconds[round(share * len(seconds)) - 1] * 1000
        assert exact <= latencies.percentile(share) <= exact * 1.021


def test_without_answers_there_is_nothing_to_show() -> None:
    assert Latencies().percentile(0.5) == 0


def test_figures_of_late_are_those_since_the_last_ones() -> None:
    measures = Measures()
    measures.answered(10, 0, seconds=1.0)
    assert measures.figures_lately(2.0, overdue=0).rate == 5
    measures.answered(90, 10, seconds=0.1)
    lately = measures.figures_lately(5.0, overdue=7)
    assert (lately.rate, lately.accepted, lately.overdue) == (30, 100, 7)
    assert lately.p99_ms == pytest.approx(100, rel=0.03)
    overall = measures.figures_overall(5.0, overdue=0)
    assert overall.rate == 20
    assert overall.p99_ms == pytest.approx(1000, rel=0.03)
