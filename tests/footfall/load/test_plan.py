"""When requests are due, whatever has become of those before them."""

import pytest

from footfall.load.traffic.plan import Plan, Slot


def take_all(plan: Plan, now: float) -> list[Slot]:
    return list(iter(lambda: plan.take(now), None))


def test_events_are_due_one_by_one_at_the_rate() -> None:
    plan = Plan(rate=10, events=5)
    assert take_all(plan, 0.0) == [Slot(0, 1, 0.0)]
    assert take_all(plan, 0.05) == []
    assert take_all(plan, 0.1) == [Slot(1, 1, 0.1)]


def test_what_nobody_took_in_time_is_still_due_at_its_own_time() -> None:
    plan = Plan(rate=10, events=5)
    assert [slot.at for slot in take_all(plan, 9.0)] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert plan.is_over


def test_a_batch_is_due_when_its_last_event_happens() -> None:
    plan = Plan(rate=100, events=250, batch=100)
    assert take_all(plan, 0.98) == []
    assert take_all(plan, 0.99) == [Slot(0, 100, 0.99)]
    assert take_all(plan, 9.0) == [Slot(100, 100, 1.99), Slot(200, 50, 2.49)]


def test_a_long_run_does_not_drift() -> None:
    plan = Plan(rate=3, events=3 * 3600 + 1)
    assert take_all(plan, 3600.0)[-1].at == 3600


@pytest.mark.parametrize(("now", "overdue"), [(0.5, 0), (0.99, 100), (1.5, 100), (9.0, 250)])
def test_overdue_is_what_could_have_been_sent(now: float, overdue: int) -> None:
    assert Plan(rate=100, events=250, batch=100).overdue(now) == overdue


def test_cut_short_it_is_over() -> None:
    plan = Plan(rate=10, events=50)
    take_all(plan, 1.0)
    plan.cut()
    assert plan.is_over
    assert plan.overdue(9.0) == 0
    assert plan.taken == plan.events == 11
