"""What became of the events of each site and day, by batch and added up, on each database."""

import threading
from collections import Counter

import pytest
from sqlalchemy import Engine, Table, func, select

from shared.clock import DAY_MS
from shared.counts.receipts import Line
from shared.db.database import writing_engine
from shared.db.tables import batch_receipts, outcomes, receipt_totals, receipts
from shared.event import Event, encode_event
from shared.fields import MAX_NAME
from shared.queue.event_queue import Batch
from shared.settings import Settings
from tests.events import NOW, make_event
from worker.batch.commit import AlreadyCommitted, commit_batch
from worker.batch.receipt import PART_LINES, write_receipt
from worker.enrich.bots import BotRule
from worker.stopping import StopFlag
from worker.upkeep.receipts import CHUNK_ROWS, add_receipts

TODAY = NOW - NOW % DAY_MS
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
RULE = BotRule(burst_limit=2, drops_crawlers=True)


def batch_of(batch_id: str, events: list[Event], *unreadable: bytes) -> Batch:
    return Batch(batch_id, [*map(encode_event, events), *unreadable])


def mixed_events() -> list[Event]:
    """Of every outcome, on two sites; one arrived the day before, at its last moment."""
    known = make_event(1, event_id="known", has_caller_id=True, user_id="a")
    return [
        known,
        known,
        make_event(2, received_at=TODAY - 1, user_id="b"),
        *(make_event(number, site_id="busy", user_id="c") for number in range(10, 15)),
        make_event(3, site_id="busy", user_agent=CRAWLER),
        make_event(4, timestamp=2**63),
        make_event(5, received_at=-1, user_id="d"),
    ]


EXPECTED = {
    ("site-a", TODAY, "stored", ""): 1,
    ("site-a", TODAY, "duplicate", ""): 1,
    ("site-a", TODAY, "dead", ""): 1,
    ("site-a", TODAY - DAY_MS, "stored", ""): 1,
    ("busy", TODAY, "stored", ""): 2,
    ("busy", TODAY, "dropped", "burst"): 3,
    ("busy", TODAY, "dropped", "bot"): 1,
    ("", TODAY, "stored", ""): 1,
    ("", TODAY, "dead", "unreadable"): 1,
}


def added_up(engine: Engine) -> dict[tuple[str, int, str, str], int]:
    with engine.connect() as connection:
        rows = connection.execute(select(*receipts.columns)).all()
    return {(site, day, outcome, reason): int(n) for site, day, outcome, reason, n in rows}


def total_of(engine: Engine, table: Table) -> Counter[str]:
    columns = table.c
    statement = select(columns.outcome, func.sum(columns.events)).group_by(columns.outcome)
    with engine.connect() as connection:
        return Counter({outcome: int(n) for outcome, n in connection.execute(statement)})


def test_each_event_is_in_the_receipt_of_its_site_and_the_day_it_arrived(engine: Engine) -> None:
    commit_batch(engine, batch_of("b", mixed_events(), b"{"), NOW, RULE)
    assert add_receipts(engine, StopFlag()) == 1
    assert added_up(engine) == EXPECTED
    assert total_of(engine, receipts) == total_of(engine, outcomes)
    assert total_of(engine, receipt_totals) == total_of(engine, outcomes)


def test_a_batch_tried_twice_is_in_one_receipt(engine: Engine) -> None:
    batch = batch_of("b", [make_event(1)])
    commit_batch(engine, batch, NOW)
    add_receipts(engine, StopFlag())
    with pytest.raises(AlreadyCommitted):
        commit_batch(engine, batch, NOW)
    assert add_receipts(engine, StopFlag()) == 0
    assert added_up(engine) == {("site-a", TODAY, "stored", ""): 1}


def test_the_receipt_of_a_batch_of_many_sites_is_in_parts(engine: Engine) -> None:
    longest = "\U0001f680" * (MAX_NAME - 3)
    names = [f"{number:03}{longest}" for number in range(PART_LINES + 1)]
    with engine.begin() as connection:
        write_receipt(connection, "b", [Line(name, TODAY, "stored", "", 1) for name in names])
    assert add_receipts(engine, StopFlag()) == 2
    assert added_up(engine) == {(name, TODAY, "stored", ""): 1 for name in names}


def test_two_that_add_up_at_once_add_nothing_twice(
    engine: Engine, database_settings: Settings
) -> None:
    commit_batch(engine, batch_of("first", [make_event(0)]), NOW)
    with engine.begin() as connection:
        row = connection.execute(select(batch_receipts)).one()._mapping
        many = [{**row, "batch_id": f"b{number}"} for number in range(3 * CHUNK_ROWS)]
        connection.execute(batch_receipts.insert(), many)
    others = [writing_engine(database_settings) for _ in range(2)]
    adding = [
        threading.Thread(target=lambda e=other: [add_receipts(e, StopFlag()) for _ in range(4)])
        for other in others
    ]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    for other in others:
        other.dispose()
    add_receipts(engine, StopFlag())
    assert added_up(engine) == {("site-a", TODAY, "stored", ""): 3 * CHUNK_ROWS + 1}
