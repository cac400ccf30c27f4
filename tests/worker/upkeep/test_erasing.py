"""Sites that are deleted with all they have, on each database."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, Table, delete, func, select

from shared.clock import DAY_MS
from shared.counts.receipts import NO_SITE
from shared.db.tables import (
    batch_receipts,
    dead_letters,
    erasures,
    events,
    metadata,
    outcomes,
    receipt_totals,
    receipts,
    views_by_second,
)
from shared.errors import InvalidInput
from shared.event import Event
from shared.outcomes import Outcome
from shared.queue.event_queue import EventQueue, periodic_queue_name, rq_queue
from shared.queue.refusals import Refused
from shared.settings import Settings
from shared.sites.erasures import Erasure
from shared.sites.stored import create_site, erase_site
from tests.counted import TODAY, commit, differences, varied_events
from tests.events import NOW, make_batch, make_event
from tests.killed import is_killed, steps_of
from tests.merged import merge
from tests.segmented import build_all
from tests.worker.conftest import BecomePeriodic
from worker import jobs
from worker.batch import commit as committing
from worker.batch.commit import commit_batch
from worker.counting.users import UserNumbers
from worker.stopping import StopFlag
from worker.upkeep import erasing
from worker.upkeep.erasing import Eraser
from worker.upkeep.receipts import add_receipts

OF_SITES = [
    table
    for table in metadata.sorted_tables
    if "site_id" in table.c and table.name not in {"erasures", "receipts"}
]
LATER = NOW + DAY_MS


@pytest.fixture
def eraser(engine: Engine, queue: EventQueue) -> Eraser:
    return Eraser(engine, queue, StopFlag())


def fill(engine: Engine, settings: Settings) -> int:
    """Events of the sites a and b, of every kind and in every state; returns how many of a."""
    keyed = make_event(1, event_id="key", has_caller_id=True, site_id="a")
    poison = [make_event(2, event_id=site, site_id=site, timestamp=2**70) for site in "ab"]
    batches = [varied_events(1, 150), varied_events(2, 150), [keyed, keyed, *poison]]
    for number, batch in enumerate(batches):
        commit(engine, f"{number}", batch)
        if number == 0:
            merge(engine)
            build_all(settings, engine, NOW + DAY_MS)
    seconds = [
        {"site_id": site_id, "bucket": TODAY, "seen_at": NOW, "layers": b""} for site_id in "ab"
    ]
    with engine.begin() as connection:
        connection.execute(views_by_second.insert(), seconds)
    return sum(event.site_id == "a" for batch in batches[:2] for event in batch) + 1


def rows_of(engine: Engine, table: Table, site_id: str) -> list[tuple[Any, ...]]:
    statement = select(table).where(table.c["site_id"] == site_id)
    with engine.begin() as connection:
        return sorted(map(tuple, connection.execute(statement)), key=repr)


def tables_with(engine: Engine, site_id: str) -> set[str]:
    return {table.name for table in [*OF_SITES, receipts] if rows_of(engine, table, site_id)}


def sums(engine: Engine, table: Table) -> Counter[str]:
    """By outcome."""
    statement = select(table.c.outcome, func.sum(table.c.events)).group_by(table.c.outcome)
    with engine.begin() as connection:
        return Counter({outcome: int(n) for outcome, n in connection.execute(statement)})


def count(engine: Engine, table: Table) -> int:
    with engine.begin() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def until_done(eraser: Eraser, now: int = LATER) -> None:
    for _ in range(100):
        if eraser.erase(now):
            return
    raise AssertionError("it never came to its end")


def test_nothing_of_a_site_is_left_and_the_others_stay_as_they_were(
    engine: Engine, database_settings: Settings, eraser: Eraser
) -> None:
    stored = fill(engine, database_settings)
    create_site(engine, "a", {"aliases": ["other"]}, NOW)
    before = sums(engine, outcomes)
    letters = count(engine, dead_letters)
    had = tables_with(engine, "a")
    assert had >= {"events", "users", "sites", "segments", "dedupe", "pending_counts", "site_names"}
    others = {table.name: rows_of(engine, table, "b") for table in OF_SITES}
    erase_site(engine, "a", NOW)
    until_done(eraser)
    assert tables_with(engine, "a") == set()
    assert {table.name: rows_of(engine, table, "b") for table in OF_SITES} == others
    assert count(engine, dead_letters) == letters - 1
    after = sums(engine, outcomes)
    assert after.total() == before.total()
    # A duplicate and a dead one besides.
    assert after[Outcome.ERASED] == stored + 2
    assert before[Outcome.STORED] - after[Outcome.STORED] == stored
    assert after[Outcome.STORED] == count(engine, events)
    assert +sums(engine, receipt_totals) == +sums(engine, receipts) == +after
    assert [tuple(row) for row in rows_of(engine, erasures, "a")] == [
        ("a", NOW, stored, stored, LATER)
    ]
    assert differences(database_settings) == []


def test_it_becomes_nobody_s_on_the_day_on_which_it_arrived(
    engine: Engine, database_settings: Settings, eraser: Eraser
) -> None:
    days = (NOW, NOW, NOW - DAY_MS)
    commit(engine, "b", [make_event(n, site_id="a", received_at=at) for n, at in enumerate(days)])
    erase_site(engine, "a", NOW)
    until_done(eraser)
    assert rows_of(engine, receipts, NO_SITE) == [
        (NO_SITE, TODAY - DAY_MS, "erased", "", 1),
        (NO_SITE, TODAY, "erased", "", 2),
    ]


def test_what_arrived_before_that_is_not_stored_and_what_comes_later_is(
    engine: Engine, database_settings: Settings, eraser: Eraser
) -> None:
    commit(engine, "first", [make_event(0, site_id="a", user_id="u")])
    erase_site(engine, "a", NOW)
    both = [make_event(1, site_id="a"), make_event(2, site_id="b")]
    counts = commit_batch(engine, make_batch("meanwhile", *both), NOW)
    assert (counts[Outcome.ERASED, ""], counts[Outcome.STORED, ""]) == (1, 1)
    until_done(eraser)
    spooled = make_event(3, site_id="a", received_at=LATER - 1, has_caller_id=True)
    new = make_event(4, site_id="a", received_at=LATER, user_id="u")
    counts = commit_batch(engine, make_batch("after", spooled, new), NOW)
    assert (counts[Outcome.ERASED, ""], counts[Outcome.STORED, ""]) == (1, 1)
    assert [row[2] for row in rows_of(engine, events, "a")] == ["id-4"]
    assert tables_with(engine, "a") >= {"users", "sites"}
    add_receipts(engine, StopFlag())
    assert +sums(engine, receipt_totals) == +sums(engine, outcomes)
    assert differences(database_settings) == []
    # And once more, of what has come since.
    erase_site(engine, "a", LATER)
    until_done(eraser, LATER + 1)
    assert tables_with(engine, "a") == set()
    assert +sums(engine, outcomes) == {"stored": 1, "erased": 4}
    assert differences(database_settings) == []


def test_a_batch_that_was_claimed_before_is_waited_for(
    engine: Engine, queue: EventQueue, eraser: Eraser
) -> None:
    commit(engine, "first", [make_event(0, site_id="a")])
    queue.push([b"1"])
    held = queue.claim()
    assert held is not None
    erase_site(engine, "a", NOW)
    for _ in range(3):
        assert eraser.erase(LATER) == []
    assert tables_with(engine, "a") >= {"events"}
    # Its worker had looked before.
    queue.finish(held.id)
    queue.push([b"2"])
    later = queue.claim()
    assert later is not None
    until_done(eraser)
    assert tables_with(engine, "a") == set()


def test_a_receipt_that_is_not_added_up_is_waited_for(
    engine: Engine, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(engine, "first", [make_event(0, site_id="a")])
    erase_site(engine, "a", NOW)
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "add_receipts", lambda *_: 0)
        for _ in range(3):
            assert eraser.erase(LATER) == []
    assert count(engine, batch_receipts) == 1
    until_done(eraser)
    assert +sums(engine, receipts) == +sums(engine, outcomes) == {"erased": 1}


def test_what_versions_without_receipts_stored_is_erased_too(
    engine: Engine, database_settings: Settings, eraser: Eraser
) -> None:
    commit(engine, "old", [make_event(n, site_id="a") for n in range(7)])
    merge(engine)
    with engine.begin() as connection:
        connection.execute(delete(batch_receipts))
    commit(engine, "new", [make_event(n, site_id="a") for n in range(10, 13)])
    erase_site(engine, "a", NOW)
    until_done(eraser)
    assert +sums(engine, outcomes) == {"erased": 10}
    assert +sums(engine, receipts) == {"erased": 3}
    assert differences(database_settings) == []


def test_what_a_worker_of_an_earlier_version_stores_meanwhile_is_deleted_too(
    engine: Engine, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(engine, "first", [make_event(0, site_id="a")])
    erase_site(engine, "a", NOW)
    assert eraser.erase(LATER) == []  # it found something
    with monkeypatch.context() as patch:
        patch.setattr(committing, "erasures_of", lambda *_: {})
        commit(engine, "second", [make_event(1, site_id="a")])
    until_done(eraser)
    assert tables_with(engine, "a") == set()
    assert +sums(engine, receipts) == +sums(engine, outcomes) == {"erased": 2}


def test_it_takes_some_rows_at_a_time_and_ends_with_its_budget(
    engine: Engine,
    database_settings: Settings,
    eraser: Eraser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(engine, database_settings)
    erase_site(engine, "a", NOW)
    monkeypatch.setattr(erasing, "CHUNK_ROWS", 40)
    monkeypatch.setattr(erasing, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(erasing, "BUDGET_SECONDS", -1.0)
    before = count(engine, events)
    runs = 0
    while eraser.erase(LATER) == []:
        runs += 1
        lost, before = before - count(engine, events), count(engine, events)
        assert lost <= 40
        assert differences(database_settings) == []  # it passes over what is being deleted
        assert runs < 200
    assert runs > 10
    assert tables_with(engine, "a") == set()


def test_two_that_delete_at_once_count_nothing_twice(
    engine: Engine, database_settings: Settings, eraser: Eraser, queue: EventQueue
) -> None:
    stored = fill(engine, database_settings)
    erase_site(engine, "a", NOW)
    eraser.erase(LATER)
    other = Eraser(engine, queue, StopFlag())
    until_done(other)
    begun = Erasure("a", NOW, None, 0, None)
    assert eraser.end(begun, LATER + 1) == stored
    # Nor does one that is slow end what was asked for again.
    commit(engine, "again", [make_event(99, site_id="a", received_at=LATER)])
    erase_site(engine, "a", LATER + 2)
    eraser.end(begun, LATER + 3)
    assert rows_of(engine, erasures, "a")[0][-1] is None
    until_done(other, LATER + 4)
    assert sums(engine, outcomes)[Outcome.ERASED] == stored + 3
    assert rows_of(engine, erasures, "a")[0][-1] == LATER + 4


def test_numbers_of_a_site_that_is_used_again_are_given_once(
    engine: Engine, database_settings: Settings, eraser: Eraser
) -> None:
    """Each of two workers holds some that it took before the site was deleted."""
    workers = [UserNumbers(engine), UserNumbers(engine)]

    def post(worker: int, batch: str, users: range, at: int) -> None:
        some = [
            make_event(
                n, event_id=f"{batch}-{n}", site_id="a", user_id=f"{batch}{n}", received_at=at
            )
            for n in users
        ]
        commit_batch(engine, make_batch(batch, *some), NOW, numbers=workers[worker])

    for number, worker in enumerate((0, 1, 0, 1)):
        post(worker, f"old{number}", range(3), NOW)
    assert any(worker.held["a"].left for worker in workers)
    erase_site(engine, "a", NOW)
    until_done(eraser)
    for number, (worker, users) in enumerate([(1, 5), (1, 5), (1, 5), (0, 1), (0, 1), (1, 5)]):
        post(worker, f"new{number}", range(users), LATER)
    assert differences(database_settings) == []


def test_of_several_sites_that_are_deleted_each_has_its_turn(
    engine: Engine, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [f"s{number}" for number in range(4)]
    commit(engine, "b", [make_event(n, site_id=site) for n, site in enumerate(sites)])
    for site in sites:
        erase_site(engine, site, NOW)
    monkeypatch.setattr(erasing, "BUDGET_SECONDS", 0.0)
    done: list[str] = []
    for _ in range(400):
        done += eraser.erase(LATER)
    assert sorted(done) == sites
    assert {name for site in sites for name in tables_with(engine, site)} == set()


def test_refusals_of_it_become_nobody_s(engine: Engine, queue: EventQueue, eraser: Eraser) -> None:
    counts = {
        Refused("a", 403, "host_not_allowed"): 3,
        Refused("b", 403, "host_not_allowed"): 5,
        Refused("a", 429, "site_limit"): 7,
    }
    for day in (TODAY, TODAY - DAY_MS):
        queue.add_refusals(day, counts)
    commit(engine, "first", [make_event(0, site_id="a")])
    erase_site(engine, "a", NOW)
    until_done(eraser)
    for day in (TODAY, TODAY - DAY_MS):
        assert queue.fetch_refusals([day])[day] == {
            Refused("", 403, "host_not_allowed"): 3,
            Refused("b", 403, "host_not_allowed"): 5,
            Refused("", 429, "site_limit"): 7,
        }


def test_a_site_that_nobody_knows_is_said(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="nobody knows of typo"):
        erase_site(engine, "typo", NOW)


def test_a_site_that_has_no_events_yet_or_dead_ones_alone_can_be_deleted(
    engine: Engine, eraser: Eraser
) -> None:
    create_site(engine, "b", {}, NOW)
    erase_site(engine, "b", NOW)
    commit(
        engine, "b", [*(make_event(n) for n in range(30)), make_event(site_id="a", timestamp=2**70)]
    )
    add_receipts(engine, StopFlag())
    erase_site(engine, "a", NOW)
    for _ in range(4):
        eraser.erase(LATER)
    assert count(engine, dead_letters) == 0
    assert tables_with(engine, "a") == tables_with(engine, "b") == set()


def test_asked_again_it_goes_on(engine: Engine, eraser: Eraser) -> None:
    commit(engine, "first", [make_event(0, site_id="a")])
    erase_site(engine, "a", NOW)
    eraser.erase(LATER)
    erase_site(engine, "a", NOW + 1)
    assert rows_of(engine, erasures, "a")[0][1] == NOW
    until_done(eraser)


# At how many steps it is killed, on SQLite and on others.
TRIED, SOME = 40, 8


def test_killed_at_any_step_it_goes_on_and_the_ledger_keeps_its_sum(
    engine: Engine, database_settings: Settings, queue: EventQueue
) -> None:
    tried = TRIED if engine.dialect.name == "sqlite" else SOME
    every, total = 1, 0
    for number in range(3 * tried):
        total += small(engine, f"{number}")
        erase_site(engine, "a", NOW)
        eraser = Eraser(engine, queue, StopFlag())
        died = number > 0 and is_killed(lambda: until_done(eraser), number * every)  # noqa: B023
        assert sums(engine, outcomes).total() == total
        assert differences(database_settings) == []
        if number == 0:
            every = 1 + steps_of(lambda: until_done(eraser)) // tried  # noqa: B023
        elif died:
            until_done(Eraser(engine, queue, StopFlag()))
        assert tables_with(engine, "a") == set()
        assert +sums(engine, receipts) == +sums(engine, receipt_totals) == +sums(engine, outcomes)
        assert differences(database_settings) == []
        if number and not died:
            return
    raise AssertionError("it never came to its end")


def small(engine: Engine, name: str) -> int:
    """Some of two sites, merged and not, with one that is dead; returns how many came."""
    at = LATER + 1  # later than what was deleted before
    some: list[Event] = [
        replace(event, event_id=f"{name}-{n}", received_at=at)
        for n, event in enumerate(varied_events(1, 12))
    ]
    dead = make_event(1, event_id=name, site_id="a", timestamp=2**70, received_at=at)
    commit(engine, f"{name}-0", some[:8])
    merge(engine)
    commit(engine, f"{name}-1", [*some[8:], dead])
    return len(some) + 1


def test_the_job_deletes_and_counts_strangers_anew(
    engine: Engine,
    database_settings: Settings,
    become_periodic: BecomePeriodic,
) -> None:
    become_periodic(database_settings)
    commit(engine, "first", [make_event(0, site_id="a")])
    erase_site(engine, "a", NOW)
    for _ in range(5):
        jobs.erase_sites()
    assert tables_with(engine, "a") == set()
    queue = rq_queue(periodic_queue_name(jobs.settings()), jobs.runtime().queue.redis)
    assert queue.count == 0
