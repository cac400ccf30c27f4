"""What becomes of every event of a batch, on each kind of database."""

import threading
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from shared.db.database import writing_engine
from shared.db.tables import batch_ledger, dead_letters, dedupe, events, outcomes
from shared.errors import BatchHalted, Unavailable
from shared.event import encode_event
from shared.outcomes import Outcome
from shared.queue.event_queue import Batch
from shared.settings import MAX_BATCH_EVENTS, Settings
from tests.events import NOW, make_batch, make_event
from tests.killed import is_killed
from worker.batch.commit import AlreadyCommitted, Counts, commit_batch

STORED = (Outcome.STORED, "")
DUPLICATE = (Outcome.DUPLICATE, "")
DEAD = (Outcome.DEAD, "")


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def outcome_totals(engine: Engine) -> dict[str, int]:
    statement = select(outcomes.c.outcome, func.sum(outcomes.c.events)).group_by(outcomes.c.outcome)
    with engine.connect() as connection:
        return {outcome: int(total) for outcome, total in connection.execute(statement)}


def test_every_field_is_stored_as_it_was_accepted_and_what_it_resolves_to(engine: Engine) -> None:
    full = make_event(
        1,
        path="/größe/日本/🚀",
        user_id='O\'Neil\\ "x" %s',
        session_id="s",
        referrer="https://example.org/?a=b%20c",
        title="line\nbreak",
        user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
        country="DE",
        utm_source="news",
        utm_medium="mail",
        utm_campaign="spring",
        properties={"plan": "pro", "n": 1.5, "big": 2**70, "none": None, "yes": True},
    )
    commit_batch(engine, make_batch("b", full), NOW)
    with engine.connect() as connection:
        row = connection.execute(select(events)).one()._asdict()
    expected = {name: getattr(full, name) for name in full.__struct_fields__}
    expected |= {"source": "example.org", "browser": "Firefox", "os": "Linux", "device": "desktop"}
    assert row == {name: expected[name] for name in row}


def test_text_is_told_apart_byte_for_byte(engine: Engine) -> None:
    paths = ["/a", "/A", "/a ", "/ä", "/a\u0308", "/a\t"]
    batch = make_batch("b", *(make_event(i, event_id=path) for i, path in enumerate(paths)))
    assert commit_batch(engine, batch, NOW)[STORED] == len(paths)


def test_a_batch_handed_over_twice_is_counted_once(engine: Engine) -> None:
    batch = make_batch("b", make_event(1), make_event(2))
    commit_batch(engine, batch, NOW)
    with pytest.raises(AlreadyCommitted):
        commit_batch(engine, batch, NOW)
    assert count(engine, events) == 2
    assert outcome_totals(engine) == {"stored": 2}


def test_two_workers_that_hold_one_batch_count_it_once(
    engine: Engine, database_settings: Settings
) -> None:
    others = [writing_engine(database_settings) for _ in range(2)]
    for number in range(10):
        batch = make_batch(f"b{number}", *(make_event(number * 100 + i) for i in range(50)))
        assert sorted(at_once([lambda e=e, b=batch: try_commit(e, b) for e in others])) == [0, 50]
    assert count(engine, events) == 500
    assert outcome_totals(engine) == {"stored": 500}
    for other in others:
        other.dispose()


def try_commit(engine: Engine, batch: Batch) -> int:
    """How many this worker stored; waits out what a worker's retry loop waits out."""
    while True:
        try:
            return commit_batch(engine, batch, NOW)[STORED]
        except AlreadyCommitted:
            return 0
        except Unavailable:
            continue


def at_once(functions: list[Any]) -> list[Any]:
    """Run functions at the same moment, each in a thread; their results."""
    results: list[Any] = [None] * len(functions)
    barrier = threading.Barrier(len(functions))

    def run(index: int) -> None:
        barrier.wait()
        results[index] = functions[index]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_a_callers_id_counts_once_within_a_batch_and_across_batches(engine: Engine) -> None:
    def keyed(number: int, key: str, **changes: Any) -> Any:
        return make_event(
            number, event_id=key, has_caller_id=True, timestamp=NOW + number, **changes
        )

    first = make_batch("b1", keyed(1, "k1"), keyed(2, "k1"), keyed(3, "k2"), make_event(4))
    second = make_batch("b2", keyed(5, "k2"), keyed(6, "k3"), keyed(7, "k1", site_id="site-b"))
    assert commit_batch(engine, first, NOW) == Counts({STORED: 3, DUPLICATE: 1, DEAD: 0})
    assert commit_batch(engine, second, NOW) == Counts({STORED: 2, DUPLICATE: 1, DEAD: 0})
    assert count(engine, events) == 5


def test_workers_with_overlapping_ids_store_each_once(
    engine: Engine, database_settings: Settings
) -> None:
    others = [writing_engine(database_settings) for _ in range(4)]
    for number in range(5):
        batches = [
            make_batch(
                f"b{number}-{worker}",
                *(
                    make_event(
                        worker * 1000 + i,
                        event_id=f"{number}-{(i * (worker + 1)) % 40}",
                        has_caller_id=True,
                        timestamp=NOW + worker,
                    )
                    for i in range(40)
                ),
            )
            for worker in range(4)
        ]
        at_once([lambda e=e, b=b: try_commit(e, b) for e, b in zip(others, batches, strict=True)])
    assert count(engine, events) == 5 * 40
    assert outcome_totals(engine) == {"stored": 200, "duplicate": 5 * 4 * 40 - 200}
    for other in others:
        other.dispose()


def test_an_event_pushed_twice_by_the_door_is_stored_once(engine: Engine) -> None:
    """The door repeats a push whose answer was lost: the same event, the same id, no key."""
    assert commit_batch(engine, make_batch("b1", *map(make_event, (1, 2, 2))), NOW) == Counts(
        {STORED: 2, DUPLICATE: 1, DEAD: 0}
    )
    assert commit_batch(engine, make_batch("b2", *map(make_event, (1, 3))), NOW) == Counts(
        {STORED: 1, DUPLICATE: 1, DEAD: 0}
    )


def test_an_event_the_database_refuses_is_parked_and_the_others_are_stored(engine: Engine) -> None:
    poison = make_event(5, timestamp=2**70)
    good = [make_event(i) for i in range(10) if i != 5]
    counts = commit_batch(engine, make_batch("b", *good[:5], poison, *good[5:]), NOW)
    assert counts == Counts({STORED: 9, DUPLICATE: 0, DEAD: 1})
    with engine.connect() as connection:
        letter = connection.execute(select(dead_letters)).one()
    assert letter.payload == encode_event(poison).decode()
    assert letter.batch_id == "b"
    assert not letter.is_base64
    assert letter.reason


def test_the_few_to_blame_in_the_largest_batch_are_found_in_few_tries(engine: Engine) -> None:
    tries: list[object] = []
    event.listen(engine, "savepoint", lambda *_: tries.append(_))
    places = {1, 5000, MAX_BATCH_EVENTS - 1}
    arrived = [
        make_event(n, timestamp=2**70 if n in places else NOW) for n in range(MAX_BATCH_EVENTS)
    ]
    counts = commit_batch(engine, make_batch("b", *arrived), NOW)
    assert (counts[STORED], counts[DEAD]) == (MAX_BATCH_EVENTS - 3, 3)
    # Two for each halving, and log2 of the events halvings for each to blame.
    assert len(tries) <= 3 * 2 * 14 + 1


def test_a_parked_event_does_not_make_a_duplicate_of_the_next_try(engine: Engine) -> None:
    poison = make_event(1, event_id="k", has_caller_id=True, timestamp=2**70)
    assert commit_batch(engine, make_batch("b1", poison), NOW)[DEAD] == 1
    mended = make_event(1, event_id="k", has_caller_id=True)
    assert commit_batch(engine, make_batch("b2", mended), NOW)[STORED] == 1


@pytest.mark.parametrize("payload", [b"not json", b'["short"]', b'{"site_id":"a"}', b"\xff\xfe"])
def test_a_payload_that_is_no_event_is_parked(engine: Engine, payload: bytes) -> None:
    batch = Batch("b", [encode_event(make_event(1)), payload])
    assert commit_batch(engine, batch, NOW) == Counts({STORED: 1, DUPLICATE: 0, DEAD: 1})
    with engine.connect() as connection:
        letter = connection.execute(select(dead_letters)).one()
    assert letter.is_base64 == (payload == b"\xff\xfe")


def test_a_payload_that_is_two_events_is_parked_and_not_counted_twice(engine: Engine) -> None:
    pair = encode_event(make_event(1)) + b"," + encode_event(make_event(2))
    batch = Batch("b", [pair, encode_event(make_event(3))])
    assert commit_batch(engine, batch, NOW) == Counts({STORED: 1, DUPLICATE: 0, DEAD: 1})


def test_a_batch_that_is_mostly_poison_is_left_alone(engine: Engine) -> None:
    poison = [make_event(i, timestamp=2**70) for i in range(21)]
    with pytest.raises(BatchHalted):
        commit_batch(engine, make_batch("b", *poison, *map(make_event, range(100, 200))), NOW)
    for table in (events, batch_ledger, dead_letters, outcomes):
        assert count(engine, table) == 0


def test_a_batch_of_known_events_takes_few_statements(engine: Engine) -> None:
    """A client that sends its old events again must not cost a failing INSERT each."""
    numbers = range(3000)
    commit_batch(engine, make_batch("b1", *map(make_event, numbers)), NOW)
    statements = 0

    def note(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(engine, "before_cursor_execute", note)
    again = make_batch("b2", *map(make_event, numbers), make_event(3000))
    assert commit_batch(engine, again, NOW) == Counts({STORED: 1, DUPLICATE: 3000, DEAD: 0})
    event.remove(engine, "before_cursor_execute", note)
    assert statements < 35


def test_an_id_too_long_for_its_column_makes_no_duplicates(engine: Engine) -> None:
    """The door refuses it; a requeued event or another version's may still bring it."""
    long = [make_event(n, event_id="k" * 64 + str(n), has_caller_id=True) for n in range(2)]
    counts = commit_batch(engine, make_batch("b", *long), NOW)
    assert counts[DUPLICATE] == 0
    assert counts[STORED] + counts[DEAD] == 2


def test_dying_at_any_statement_leaves_nothing_and_a_retry_counts_once(engine: Engine) -> None:
    batch = make_batch(
        "b",
        make_event(1),
        make_event(2, event_id="k", has_caller_id=True),
        make_event(2, event_id="k", has_caller_id=True),
        make_event(3, timestamp=2**70),
        make_event(1),
    )
    deaths = 0
    while is_killed(lambda: commit_batch(engine, batch, NOW), deaths + 1):
        deaths += 1
        for table in (events, batch_ledger, dead_letters, dedupe, outcomes):
            assert count(engine, table) == 0, f"after step {deaths}"
    assert deaths >= 6
    assert outcome_totals(engine) == {"stored": 2, "duplicate": 2, "dead": 1}


def test_the_outcomes_of_a_batch_add_up_to_its_events(engine: Engine) -> None:
    batch = make_batch("b", *(make_event(i % 7, timestamp=NOW + i % 3) for i in range(60)))
    assert sum(commit_batch(engine, batch, NOW).values()) == 60
    assert sum(outcome_totals(engine).values()) == 60
