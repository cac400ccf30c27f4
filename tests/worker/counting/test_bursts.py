"""Places of a second, taken a portion at a time."""

from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from shared.clock import SECOND_MS
from shared.db.tables import PLACE_BYTES, view_places
from tests.events import NOW
from worker.counting import bursts
from worker.counting.bursts import digest_of, take_places

SECONDS = range(NOW - NOW % SECOND_MS, NOW + 20 * SECOND_MS, SECOND_MS)


def places_of(seconds: range, of: range) -> list[bytes]:
    return sorted(digest_of(("site", "user", second), n) for second in seconds for n in of)


def test_places_lie_in_the_order_of_their_seconds() -> None:
    digests = [digest_of(("site", f"user-{second}", second), 0) for second in SECONDS]
    assert digests == sorted(digests)
    assert {len(digest) for digest in digests} == {PLACE_BYTES}


@pytest.mark.parametrize("moment", [-SECOND_MS, 0, 2**62])
def test_a_moment_that_is_out_of_all_bounds_has_its_places_too(moment: int) -> None:
    here, there = (digest_of(("site", "user", at), 0) for at in (moment, moment + SECOND_MS))
    assert here != there
    assert len(here) == PLACE_BYTES


def test_seconds_that_differ_by_the_whole_prefix_have_places_of_their_own() -> None:
    again = SECONDS[0] + 2**32 * SECOND_MS
    assert digest_of(("site", "user", again), 0) != digest_of(("site", "user", SECONDS[0]), 0)


def test_only_the_portions_that_somebody_was_in_are_looked_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "PORTION_ROWS", 10)
    early, late = places_of(SECONDS[:10], range(3)), places_of(SECONDS[8:], range(3))
    looked_up: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            looked_up.append(statement)

    with engine.begin() as connection:
        assert take_places(connection, "a", early, NOW) == set(early)
        event.listen(engine, "before_cursor_execute", note)
        assert take_places(connection, "b", late, NOW) == set(late) - set(early)
        assert len(looked_up) == 1
        assert take_places(connection, "a", early, NOW) == set(early)  # what runs twice
        event.remove(engine, "before_cursor_execute", note)
        number = connection.scalar(select(func.count()).select_from(view_places))
    assert number == len(set(early) | set(late))
