"""Numbers of users: each has one of its own, for ever, whoever else gives some."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import Engine, delete, event, select, update
from sqlalchemy.exc import OperationalError

from shared.db.database import writing_engine
from shared.db.dialects import dialect_of
from shared.db.tables import sites, users
from shared.errors import Unavailable
from shared.settings import Settings
from tests.segmented import once
from worker.counting import users as counting_users
from worker.counting.users import MOST_TAKEN, UserNumbers, numbers_of


@pytest.fixture
def other(database_settings: Settings, engine: Engine) -> Iterator[Engine]:
    """Another worker's; made once the tables are there."""
    other = writing_engine(database_settings)
    yield other
    other.dispose()


def stored(engine: Engine) -> dict[tuple[str, str], int]:
    with engine.begin() as connection:
        rows = connection.execute(select(users.c.site_id, users.c.user_id, users.c.number))
        return {(site_id, user_id): number for site_id, user_id, number in rows}


def taken(engine: Engine, site_id: str = "s") -> int | None:
    with engine.begin() as connection:
        found: int | None = connection.scalar(
            select(sites.c.users).where(sites.c.site_id == site_id)
        )
        return found


def some(first: int, number: int, site_id: str = "s") -> set[tuple[str, str]]:
    return {(site_id, f"user-{n}") for n in range(first, first + number)}


def test_a_user_keeps_a_number_and_no_two_have_one(engine: Engine) -> None:
    numbers = UserNumbers(engine)
    first = numbers.of(some(0, 3) | some(0, 2, "t"))
    assert sorted(first.values()) == [0, 0, 1, 1, 2]
    again = numbers.of(some(1, 4))
    assert {user: again[user] for user in some(1, 2)} == {user: first[user] for user in some(1, 2)}
    assert stored(engine) == first | again
    assert len({number for (site, _), number in stored(engine).items() if site == "s"}) == 5


def test_nobody_asks_for_nobody(engine: Engine) -> None:
    assert UserNumbers(engine).of(set()) == {}
    assert taken(engine) is None


def test_the_first_are_as_many_as_are_needed_then_twice_as_many(engine: Engine) -> None:
    numbers = UserNumbers(engine)
    numbers.of(some(0, 3))
    assert taken(engine) == 3
    numbers.of(some(3, 1))
    assert taken(engine) == 9
    numbers.of(some(4, 5))
    assert taken(engine) == 9
    assert sorted(stored(engine).values()) == list(range(9))
    numbers.of(some(9, 1))
    assert taken(engine) == 21


def test_no_more_are_taken_than_is_bounded(engine: Engine) -> None:
    numbers = UserNumbers(engine)
    numbers.of(some(0, MOST_TAKEN))
    numbers.of(some(MOST_TAKEN, 1))
    assert taken(engine) == 2 * MOST_TAKEN


def test_a_process_that_dies_leaves_a_gap(engine: Engine, other: Engine) -> None:
    numbers = UserNumbers(engine)
    numbers.of(some(0, 2))
    numbers.of(some(2, 1))
    found = UserNumbers(other).of(some(3, 1))
    assert found == {("s", "user-3"): 6}


def test_who_is_second_gets_the_number_of_the_first(engine: Engine, other: Engine) -> None:
    """Where there is more than one writer, both find no number before either gives one."""
    first, second = UserNumbers(engine), UserNumbers(other)
    given = {}

    def give() -> None:
        given.update(first.of(some(0, 2)))

    if engine.dialect.name == "sqlite":
        give()
        found = second.of(some(0, 3))
    else:
        with once(other, "before", "INTO sites", give):
            found = second.of(some(0, 3))
    assert {user: found[user] for user in given} == given
    assert stored(engine) == found
    assert len(set(found.values())) == 3


def test_what_locks_a_row_is_followed_by_the_commit(engine: Engine, other: Engine) -> None:
    """Each statement between would have to travel while others wait."""
    UserNumbers(other).of(some(0, 3))
    happened: list[str] = []
    event.listen(
        engine, "before_cursor_execute", lambda _c, _k, statement, *_: happened.append(statement)
    )
    event.listen(engine, "commit", lambda _: happened.append("COMMIT"))
    numbers = UserNumbers(engine)

    def be_first() -> None:
        UserNumbers(other).of(some(3, 1))

    if engine.dialect.name == "sqlite":  # one writer at a time
        numbers.of(some(2, 3))
    else:
        with once(engine, "before", "INTO sites", be_first):
            numbers.of(some(2, 3))
    entered = [n for n, statement in enumerate(happened) if "INTO users" in statement]
    taken = [n for n, statement in enumerate(happened) if "INTO sites" in statement]
    assert entered
    assert taken
    can_return = dialect_of(engine).can_return
    for place in [*entered, *(taken if can_return else [])]:
        assert happened[place + 1] == "COMMIT"
    assert numbers.of(some(0, 5)) == stored(engine)


def test_many_at_once_number_the_same_users_the_same(
    database_settings: Settings, engine: Engine
) -> None:
    found: list[dict[tuple[str, str], int]] = []

    def work(shift: int) -> None:
        engine = writing_engine(database_settings)
        numbers = UserNumbers(engine)
        found.extend(
            numbers.of(some(first + shift, 12) | some(first, 5, "t")) for first in range(0, 60, 6)
        )
        engine.dispose()

    threads = [threading.Thread(target=work, args=(shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 40
    held = stored(engine)
    for numbers in found:
        assert numbers == {user: held[user] for user in numbers}
    for site in "st":
        its = [number for (site_id, _), number in held.items() if site_id == site]
        assert len(set(its)) == len(its)
        assert max(its) < (taken(engine, site) or 0)


def test_numbers_of_a_site_that_was_deleted_begin_anew(engine: Engine) -> None:
    numbers = UserNumbers(engine)
    numbers.of(some(0, 2))
    numbers.of(some(2, 1))  # and holds three more
    with engine.begin() as connection:
        connection.execute(delete(users))
        connection.execute(delete(sites))
    assert numbers.of(some(7, 2)) == {("s", "user-7"): 0, ("s", "user-8"): 1}
    assert taken(engine) == 2


def test_numbers_that_were_left_without_a_site_are_not_given_again(engine: Engine) -> None:
    UserNumbers(engine).of(some(0, 3))
    with engine.begin() as connection:
        connection.execute(delete(sites))
    assert UserNumbers(engine).of(some(3, 2)) == {("s", "user-3"): 3, ("s", "user-4"): 4}
    assert taken(engine) == 5


def test_numbers_whose_commit_failed_are_given_to_nobody(engine: Engine, other: Engine) -> None:
    """The next who takes some gets the same."""
    numbers = UserNumbers(engine)

    def fail(_: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("gone away"))

    begin_to_fail = partial(event.listen, engine, "commit", fail)
    with once(engine, "before", "INTO sites", begin_to_fail), pytest.raises(Unavailable):
        numbers.of(some(0, 3))
    event.remove(engine, "commit", fail)
    assert taken(engine) is None
    UserNumbers(other).of(some(10, 5))
    numbers.of(some(0, 3))
    its = list(stored(engine).values())
    assert len(set(its)) == len(its) == 8


def test_a_worker_of_an_earlier_version_takes_others(engine: Engine) -> None:
    """It gives the numbers from `sites.users` on, in the transaction of its batch."""
    numbers = UserNumbers(engine)
    numbers.of(some(0, 2))
    numbers.of(some(2, 1))
    with engine.begin() as connection:
        free = connection.scalar(select(sites.c.users).where(sites.c.site_id == "s")) or 0
        connection.execute(users.insert(), {"site_id": "s", "user_id": "old", "number": free})
        connection.execute(update(sites).values(users=sites.c.users + 1))
    numbers.of(some(3, 9))
    its = list(stored(engine).values())
    assert len(set(its)) == len(its) == 13
    assert numbers.of({("s", "old")}) == {("s", "old"): free}


def test_within_a_transaction_they_are_given_or_not_with_it(engine: Engine) -> None:
    with engine.begin() as connection:
        given = numbers_of(connection, some(0, 2))
        connection.rollback()
    assert stored(engine) == {}
    with engine.begin() as connection:
        assert numbers_of(connection, some(0, 2)) == given
    with engine.begin() as connection:
        assert numbers_of(connection, some(0, 3)) == given | {("s", "user-2"): 2}


def test_sites_that_are_seldom_seen_are_forgotten(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting_users, "MOST_SITES", 2)
    numbers = UserNumbers(engine)
    for site_id in "abc":
        numbers.of(some(0, 1, site_id))
    assert list(numbers.held) == ["b", "c"]
    assert numbers.of(some(0, 2, "a")) == {("a", "user-0"): 0, ("a", "user-1"): 1}
