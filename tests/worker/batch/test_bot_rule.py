"""Bots are dropped and counted: crawlers by name, bursts by number, whatever the batches."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, update

from reporting.answers.ledger import fetch_status
from reporting.route import Sources
from shared.clock import now_ms
from shared.db.database import writing_engine
from shared.db.tables import dedupe, events, sites, users
from shared.errors import Unavailable
from shared.event import Event, encode_event
from shared.outcomes import Outcome
from shared.queue.event_queue import Batch, EventQueue
from shared.settings import Settings
from tests.counted import differences, rebuild_all
from tests.events import NOW, make_batch, make_event
from tests.merged import merge
from worker.batch.commit import AlreadyCommitted, Counts, commit_batch
from worker.enrich.bots import BotRule, rule_from
from worker.run.drain import Runtime, drain
from worker.stopping import StopFlag
from worker.upkeep import retention
from worker.upkeep.retention import BURST_MS, forget_places

LIMIT = 10
RULE = BotRule(LIMIT, drops_crawlers=True)
STORED = (Outcome.STORED, "")
DUPLICATE = (Outcome.DUPLICATE, "")
DEAD = (Outcome.DEAD, "")
BURST = (Outcome.DROPPED, "burst")
BOT = (Outcome.DROPPED, "bot")
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"


def views(number: int, first: int = 0, **changes: Any) -> list[Event]:
    """Views of one user in one second, a millisecond apart."""
    return [make_event(n, timestamp=NOW + n, **changes) for n in range(first, first + number)]


def stored_ids(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(select(events.c.event_id)))


def test_fifteen_views_in_a_second_leave_ten(engine: Engine, database_settings: Settings) -> None:
    batch = make_batch("b", *views(15))
    assert commit_batch(engine, batch, NOW, RULE) == Counts({STORED: 10, BURST: 5})
    assert stored_ids(engine) == {f"id-{n}" for n in range(10)}
    with pytest.raises(AlreadyCommitted):
        commit_batch(engine, batch, NOW, RULE)
    assert differences(database_settings) == []


def test_they_leave_ten_in_batches_of_one_too(engine: Engine, database_settings: Settings) -> None:
    counts: Counts = Counter()
    for number, view in enumerate(views(15)):
        counts += commit_batch(engine, make_batch(f"b{number}", view), NOW, RULE)
    assert counts == Counts({STORED: 10, BURST: 5})
    assert differences(database_settings) == []
    merge(engine)
    with engine.connect() as connection:  # of what was dropped, nothing is left
        assert connection.scalar(select(sites.c.last_event)) == NOW + 9


def test_only_page_views_of_one_user_site_and_second_are_a_burst(engine: Engine) -> None:
    others = [
        *views(LIMIT),
        *views(LIMIT, 100, user_id="other"),
        *views(LIMIT, 200, site_id="other"),
        *(make_event(n, timestamp=NOW + 1000) for n in range(300, 300 + LIMIT)),
        *(make_event(n, timestamp=NOW - 1) for n in range(400, 400 + LIMIT)),
        *views(50, 500, event_type="click"),
        *views(50, 600, user_id=None),
    ]
    assert commit_batch(engine, make_batch("b", *others), NOW, RULE) == Counts({STORED: 150})


def test_a_duplicate_is_no_view_of_a_burst(engine: Engine) -> None:
    again = [*views(9), *views(9)]
    assert commit_batch(engine, make_batch("b1", *again), NOW, RULE) == Counts(
        {STORED: 9, DUPLICATE: 9}
    )
    assert commit_batch(engine, make_batch("b2", *views(12)), NOW, RULE) == Counts(
        {STORED: 1, DUPLICATE: 9, BURST: 2}
    )


def test_a_dropped_view_with_an_id_of_the_caller_s_is_a_duplicate_when_sent_again(
    engine: Engine,
) -> None:
    keyed = [
        make_event(n, event_id=f"k{n}", has_caller_id=True, timestamp=NOW + n) for n in range(12)
    ]
    first = commit_batch(engine, make_batch("b1", *keyed), NOW, RULE)
    assert first == Counts({STORED: 10, BURST: 2})
    again = commit_batch(engine, make_batch("b2", *keyed), NOW, RULE)
    assert again == Counts({DUPLICATE: 12})


def test_a_view_that_the_database_refuses_takes_no_place(engine: Engine) -> None:
    poison = make_event(50, timestamp=NOW, title="x" * 70_000, site_id="s" * 300)
    batch = make_batch("b", poison, *views(12), make_event(51, timestamp=2**70))
    counts = commit_batch(engine, batch, NOW, RULE)
    refused = counts[DEAD]  # SQLite refuses no text for its length
    assert refused >= 1
    assert counts == Counts({STORED: 10 + 2 - refused, BURST: 2, DEAD: refused})


def test_crawlers_are_dropped_and_programs_are_not(engine: Engine) -> None:
    headless = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/142.0.0.0"
    programs = ["curl/8.5.0", "Python-urllib/3.11", "Java/17.0.9", headless]
    agents = [GOOGLEBOT, FIREFOX, None, *programs]
    sent = [make_event(n, user_agent=agent) for n, agent in enumerate(agents)]
    keyed = make_event(9, event_id="k", has_caller_id=True, user_agent=GOOGLEBOT)
    batch = make_batch("b", *sent, keyed)
    assert commit_batch(engine, batch, NOW, RULE) == Counts({STORED: 6, BOT: 2})
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(dedupe)) == 0
    only = make_batch("b2", make_event(10, user_agent=GOOGLEBOT))
    assert commit_batch(engine, only, NOW, RULE) == Counts({BOT: 1})


def test_each_rule_can_be_switched_off(engine: Engine, settings: Settings) -> None:
    off = rule_from(Settings.from_env({"BOT_BURST_LIMIT": "0", "DROP_BOTS": "false"}))
    sent = views(30, user_agent=GOOGLEBOT)
    assert commit_batch(engine, make_batch("b", *sent), NOW, off) == Counts({STORED: 30})
    assert rule_from(settings) == BotRule(10, drops_crawlers=True)


def test_what_was_dropped_is_told_by_its_reason(
    engine: Engine, queue: EventQueue, database_settings: Settings
) -> None:
    sent = [*views(15), make_event(20, user_agent=GOOGLEBOT)]
    queue.push([encode_event(view) for view in sent])
    drain(Runtime(queue, engine, StopFlag(), RULE))
    status = fetch_status(Sources(engine, queue, engine), now_ms())
    assert status.dropped == {"bot": 1, "burst": 5}
    assert (status.accepted, status.stored, status.balanced) == (16, 10, True)


def test_a_lower_limit_holds_from_then_on(engine: Engine) -> None:
    commit_batch(engine, make_batch("b1", *views(8)), NOW, BotRule(10))
    counts = commit_batch(engine, make_batch("b2", *views(4, 100)), NOW, BotRule(5))
    assert counts == Counts({BURST: 4})


def test_places_are_forgotten_some_minutes_after_they_were_taken(engine: Engine) -> None:
    commit_batch(engine, make_batch("b1", *views(8)), NOW, RULE)
    commit_batch(engine, make_batch("b2", *views(1, 50)), NOW + BURST_MS, RULE)
    assert forget_places(engine, NOW + BURST_MS) == 0
    assert forget_places(engine, NOW + BURST_MS + 1) == 8
    counts = commit_batch(engine, make_batch("b3", *views(12, 60)), NOW + BURST_MS, RULE)
    assert counts == Counts({STORED: LIMIT - 1, BURST: 3})


def test_many_places_are_forgotten_some_at_a_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK_PLACES", 3)
    for number in range(7):
        commit_batch(engine, make_batch(f"b{number}", *views(2, 10 * number)), NOW + number, RULE)
    assert forget_places(engine, NOW + BURST_MS + 5) == 10
    assert forget_places(engine, NOW + BURST_MS + 5) == 0
    assert forget_places(engine, NOW + BURST_MS + 9) == 0  # the limit is ten


def test_a_burst_is_recognised_whatever_numbers_its_user_had(engine: Engine) -> None:
    commit_batch(engine, make_batch("b1", *views(LIMIT)), NOW, RULE)
    with engine.begin() as connection:
        connection.execute(update(users).values(number=2**40))
    rebuild_all(engine)
    counts = commit_batch(engine, make_batch("b2", *views(1, 20)), NOW, RULE)
    assert counts == Counts({BURST: 1})


# A view: whose, when, and whether its id is the caller's. Few of each, so that they meet.
sent_views = st.lists(
    st.builds(
        lambda number, user, second, keyed, kind: make_event(
            event_id=f"e{number}-{user}-{second}-{keyed}-{kind}",
            user_id=user,
            timestamp=NOW + 1000 * second + number % 7,
            event_type=kind,
            has_caller_id=keyed,
        ),
        st.integers(0, 30),
        st.sampled_from(["a", "b", None]),
        st.integers(0, 1),
        st.booleans(),
        st.sampled_from(["page_view"] * 9 + ["click"]),
    ),
    max_size=120,
)
cuts = st.lists(st.integers(0, 120), max_size=12)
limits = st.integers(1, 6)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(sent=sent_views, cut=cuts, limit=limits)
def test_any_split_leaves_at_most_the_limit_and_loses_no_other(
    engine: Engine, sent: list[Event], cut: list[int], limit: int
) -> None:
    site = uuid.uuid4().hex[:24]  # of its own: one database serves all examples
    mine = [changed(event, site) for event in sent]
    counts: Counts = Counter()
    for number, batch in enumerate(split(mine, cut)):
        held = make_batch(f"{number}-{site}", *batch)
        counts += commit_batch(engine, held, NOW, BotRule(limit))
    assert sum(counts.values()) == len(sent)
    assert stored_views(engine, site) == expected_views(mine, limit)


def changed(event: Event, site_id: str) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return Event(**fields | {"site_id": site_id})


def split(sent: list[Event], cut: list[int]) -> Iterator[list[Event]]:
    edges = [0, *sorted(cut), len(sent)]
    for first, last in pairwise(edges):
        yield sent[first:last]


def expected_views(sent: list[Event], limit: int) -> Counter[tuple[str | None, int, str]]:
    """How many of each user, second and type must be stored, counted in the plainest way."""
    different = {(event.event_id, event.timestamp): event for event in sent}
    keyed = {event.event_id: event for event in sent if event.has_caller_id}
    alone = [e for e in different.values() if not e.has_caller_id] + list(keyed.values())
    counted = Counter(map(kind_of, alone))
    return Counter(
        {
            kind: min(number, limit) if kind[0] and kind[2] == "page_view" else number
            for kind, number in counted.items()
        }
    )


def kind_of(event: Event) -> tuple[str | None, int, str]:
    return event.user_id, event.timestamp // 1000, event.event_type


def stored_views(engine: Engine, site: str) -> Counter[tuple[str | None, int, str]]:
    columns = (events.c.user_id, events.c.timestamp, events.c.event_type)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).where(events.c.site_id == site)).all()
    return Counter((user, timestamp // 1000, kind) for user, timestamp, kind in rows)


def test_workers_at_once_let_no_more_through(engine: Engine, database_settings: Settings) -> None:
    rounds, workers, each = 6, 3, 8
    counts: Counts = Counter()
    lock = threading.Lock()

    def work(worker: int, engine: Engine, barrier: threading.Barrier) -> None:
        for number in range(rounds):
            sent = [
                make_event(
                    number,
                    event_id=f"{number}-{worker}-{n}-{user}",
                    user_id=user,
                    site_id=site,
                    timestamp=NOW + 1000 * number + n,
                )
                for n in range(each)
                for user in ("a", "b")
                for site in ("s1", "s2")
            ]
            barrier.wait(60)
            found = try_until_committed(engine, make_batch(f"{number}-{worker}", *sent))
            with lock:
                counts.update(found)

    with engines(database_settings, workers) as others:
        barrier = threading.Barrier(workers)
        threads = [
            threading.Thread(target=work, args=(n, other, barrier))
            for n, other in enumerate(others)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    bursts = rounds * 2 * 2
    assert counts == Counts({STORED: bursts * LIMIT, BURST: bursts * (workers * each - LIMIT)})
    for site in ("s1", "s2"):
        stored = stored_views(engine, site)
        assert (len(stored), set(stored.values())) == (rounds * 2, {LIMIT})
    assert differences(database_settings) == []


@contextmanager
def engines(settings: Settings, number: int) -> Iterator[list[Engine]]:
    made = [writing_engine(settings) for _ in range(number)]
    yield made
    for engine in made:
        engine.dispose()


def try_until_committed(engine: Engine, batch: Batch) -> Counts:
    while True:
        try:
            return commit_batch(engine, batch, NOW, RULE)
        except Unavailable:  # a deadlock, which a worker waits out
            continue
