"""So many questions are answered at a time; the others wait, and what is no question does not."""

import threading
from contextlib import ExitStack
from typing import cast

import pytest
from flask.testing import FlaskClient

from reporting.app import Reporting
from reporting.http.seats import LONGEST_LINE, SEATS, Seats
from shared.errors import Unavailable
from tests.servers import wait_until


def take_all(seats: Seats, held: ExitStack) -> None:
    for _ in range(SEATS):
        held.enter_context(seats.taken())


def sit(seats: Seats, sat: list[int]) -> None:
    with seats.taken():
        sat.append(1)


def test_who_finds_no_seat_waits_for_one() -> None:
    seats = Seats(60)
    sat: list[int] = []
    waiting = threading.Thread(target=sit, args=(seats, sat))
    with ExitStack() as held:
        take_all(seats, held)
        waiting.start()
        wait_until(lambda: seats.waiting == 1)
        assert sat == []
    waiting.join(60)
    assert sat == [1]
    assert seats.waiting == 0


def test_patience_ends_and_leaves_the_seats_as_they_were() -> None:
    seats = Seats(0.01)
    with ExitStack() as held:
        take_all(seats, held)
        for _ in range(3):
            with pytest.raises(Unavailable, match="too many questions"), seats.taken():
                pass
    assert seats.waiting == 0
    with ExitStack() as held:
        take_all(seats, held)


def test_a_seat_is_free_again_after_an_error() -> None:
    seats = Seats(0)
    for _ in range(SEATS + 1):
        with pytest.raises(ZeroDivisionError), seats.taken():
            raise ZeroDivisionError


def test_behind_a_long_line_nobody_waits() -> None:
    seats = Seats(60)
    with ExitStack() as held:
        take_all(seats, held)
        seats.waiting = LONGEST_LINE
        with pytest.raises(Unavailable) as refused, seats.taken():
            pass
    assert (refused.value.code, refused.value.retry_after_seconds) == ("busy", 5)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/", "/docs", "/stats"])
def test_what_asks_no_question_needs_no_seat(reports: FlaskClient, path: str) -> None:
    """The last one lacks its `site_id`: that is said at once, too."""
    with ExitStack() as held:
        take_all(cast("Reporting", reports.application).seats, held)
        assert reports.get(path).status_code == (400 if path == "/stats" else 200)
