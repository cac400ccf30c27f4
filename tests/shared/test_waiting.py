"""Servers that are away are waited for, and said once a minute."""

import logging
from collections.abc import Callable

import pytest

from shared.errors import BadSetting, Unavailable
from shared.waiting import SAY_SECONDS, Check, Reminder, find_away, wait_for, wait_until_there


def away() -> None:
    raise Unavailable("queue_unavailable", "REDIS_URL: no answer")


def refuses() -> None:
    raise BadSetting("DATABASE_URL: cannot use it")


def there() -> None:
    pass


def test_a_sentence_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    reminder = Reminder(lambda: now[0])
    for seconds, said in [(0.0, 1), (SAY_SECONDS - 1, 1), (1.0, 2), (1.0, 2)]:
        now[0] += seconds
        reminder.say("waiting")
        assert len(caplog.records) == said


def test_what_answers_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wait_for(there, there)
    assert caplog.records == []


@pytest.mark.parametrize("others", [(), (there,), (away,)])
def test_what_refuses_is_refused(others: tuple[Check, ...]) -> None:
    with pytest.raises(BadSetting):
        find_away(*others, refuses)
    with pytest.raises(BadSetting):
        wait_for(*others, refuses)


@pytest.mark.parametrize("at_first", [away, refuses])
def test_it_ends_when_all_are_there(
    caplog: pytest.LogCaptureFixture, at_first: Callable[[], None]
) -> None:
    caplog.set_level(logging.INFO)
    checks = [at_first, at_first, there]
    slept: list[float] = []

    def changing() -> None:
        checks.pop(0)()

    wait_until_there({changing: Reminder()}, slept.append)
    first, last = caplog.messages
    assert first.startswith("waiting: ")
    assert last == "the servers that were away answer"
    assert len(slept) == 3
