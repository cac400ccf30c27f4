"""Whatever is wrong in a rollup is found, and mended by a rebuild."""

import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace
from pyroaring import BitMap
from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.counts.pending import Encoded, decode, encode
from shared.counts.rollups import LEVELS, TOTAL, TOTAL_KEY, value_key
from shared.counts.segments import TIME, USER
from shared.counts.user_sets import encode_sets
from shared.db.database import writing_engine
from shared.db.tables import (
    dimension_values,
    events,
    events_by_day,
    events_by_hour,
    events_by_minute,
    outcomes,
    pending_counts,
    recent_users,
    sites,
    users,
    users_by_day,
    users_by_hour,
)
from shared.fields import EVENT_TYPE
from shared.settings import Settings
from tests.counted import TODAY, commit, differences, rebuild_all, varied_events
from tests.events import NOW, make_batch, make_event
from tests.merged import merge, merge_as_before
from worker.batch.commit import KEEP_ALL, commit_batch
from worker.counting.users import Numbers, User, UserNumbers
from worker.stored.extent import Part
from worker.upkeep.retention import raise_pruned_before
from worker.verify.findings import MOST_LINES
from worker.verify.verify import verify

COUNTS = (events_by_minute, *(level.events for level in LEVELS))
USERS = tuple(level.users for level in LEVELS)
# A day without events, and a user that nobody is.
ELSEWHERE = TODAY - 100 * DAY_MS
NOBODY = 4_000_000

Tamper = Callable[[Connection], object]


def store(engine: Engine, sites: str, days: int) -> None:
    """Events that are merged, that a worker of the version before stored, and that wait to be
    merged."""
    commit(engine, "b1", varied_events(1, 300, sites=sites, days=days))
    merge(engine)
    store_more(engine, 2, 50, sites=sites, days=days)


def store_more(engine: Engine, seed: int, number: int, *, sites: str, days: int) -> None:
    """Twice as many, of which half wait to be merged."""
    commit(engine, f"{seed}", varied_events(seed, number, sites=sites, days=days, users="before"))
    merge_as_before(engine)
    late = varied_events(seed + 1000, number, sites=sites, days=days, users="late")
    commit(engine, f"{seed} late", [replace(event, path=f"/late-{seed}") for event in late])


@pytest.fixture
def counted(engine: Engine) -> Engine:
    store(engine, "ab", 2)
    return engine


def key_of(connection: Connection, table: Table) -> Any:
    """A condition that one row fulfils, neither the first nor the last."""
    keys = select(*table.primary_key).order_by(*table.primary_key)
    if table is sites:  # what spans nothing is of no site
        keys = keys.where(sites.c.first_event <= sites.c.last_event)
    rows = connection.execute(keys).all()
    row = rows[len(rows) // 2]
    return [column == value for column, value in zip(table.primary_key, row, strict=True)]


def remove(table: Table) -> Tamper:
    return lambda connection: connection.execute(delete(table).where(*key_of(connection, table)))


def change(table: Table, **values: Any) -> Tamper:
    return lambda connection: connection.execute(
        update(table).where(*key_of(connection, table)).values(**values)
    )


def add(table: Table, **values: Any) -> Tamper:
    given = {"site_id": "a", "bucket": ELSEWHERE} | values
    if "dimension" in table.columns:
        given = {"dimension": TOTAL, "value_key": TOTAL_KEY} | given
    return lambda connection: connection.execute(insert(table).values(**given))


def change_set(table: Table, alter: Callable[[BitMap], object]) -> Tamper:
    def tamper(connection: Connection) -> None:
        key = key_of(connection, table)
        members = BitMap.deserialize(connection.scalar(select(table.c.bitmap).where(*key)) or b"")
        alter(members)
        connection.execute(update(table).where(*key).values(bitmap=members.serialize()))

    return tamper


def recode(alter: Callable[[dict[str, Encoded], int], object]) -> Tamper:
    """Change what a row of `pending_counts` holds; `alter` is told of how many events."""

    def tamper(connection: Connection) -> None:
        key = key_of(connection, pending_counts)
        row = connection.execute(select(pending_counts).where(*key)).one()
        columns = decode(row.data)
        alter(columns, row.events)
        connection.execute(update(pending_counts).where(*key).values(data=encode(columns)))

    return tamper


def constant(number: int, size: int = 1) -> Callable[[int], Encoded]:
    """A column of so many numbers, all the same."""
    return lambda events: ([], size, number.to_bytes(size, "little") * events)


def copy(**changes: Any) -> Tamper:
    """Add a row of `pending_counts` that is like another, but for these columns."""

    def tamper(connection: Connection) -> None:
        key = key_of(connection, pending_counts)
        row = connection.execute(select(pending_counts).where(*key)).one()
        connection.execute(insert(pending_counts).values(**{**row._mapping, **changes}))

    return tamper


def forget_number(connection: Connection) -> None:
    connection.execute(delete(users).where(users.c.site_id == "a", users.c.user_id == "user-3"))


def forget(name: str, columns: dict[str, Encoded], _events: int) -> None:
    del columns[name]


# What a row of `pending_counts` must not lack, and where it is missed.
PENDING = (
    (TIME, pending_counts),
    (EVENT_TYPE, pending_counts),
    (USER, users_by_hour),
    ("path", events_by_hour),
)
STRAY = encode_sets({(TOTAL, TOTAL_KEY): BitMap([NOBODY])})
TAMPERS: dict[str, tuple[Table, Tamper]] = {
    **{f"one too many in {t}": (t, change(t, events=t.c.events + 1)) for t in COUNTS},
    **{f"no row in {t}": (t, remove(t)) for t in (*COUNTS, *USERS)},
    **{f"a row of another day in {t}": (t, add(t, event_type="x", events=1)) for t in COUNTS},
    **{f"a row of nothing in {t}": (t, add(t, event_type="x", events=0)) for t in COUNTS},
    **{f"a user missing in {t}": (t, change_set(t, lambda s: s.pop())) for t in USERS},
    **{f"a user too many in {t}": (t, change_set(t, lambda s: s.add(NOBODY))) for t in USERS},
    **{f"bytes in {t}": (t, change(t, bitmap=b"no bitmap")) for t in USERS},
    **{f"users of another day in {t}": (t, add(t, bitmap=BitMap([1]).serialize())) for t in USERS},
    "an unknown dimension": (
        users_by_hour,
        add(users_by_hour, dimension="x", bucket=TODAY, bitmap=BitMap([1]).serialize()),
    ),
    "no recent users": (users_by_hour, remove(recent_users)),
    "stray recent users": (
        users_by_day,
        add(recent_users, bucket=TODAY, batch_id="x", sets=STRAY),
    ),
    "recent users of another day": (users_by_day, add(recent_users, batch_id="x", sets=STRAY)),
    "bytes in recent_users": (recent_users, change(recent_users, sets=b"no sets")),
    "no pending row": (events_by_minute, remove(pending_counts)),
    "a pending row twice": (events_by_minute, copy(batch_id="x")),
    "a pending row of another day": (events_by_day, copy(bucket=ELSEWHERE)),
    "a pending row of another site": (events_by_day, copy(site_id="x")),
    "a pending row within an hour": (pending_counts, change(pending_counts, bucket=TODAY + 1)),
    "bytes in pending_counts": (pending_counts, change(pending_counts, data=b"no counts")),
    **{
        f"another number of {name} in pending_counts": (
            pending_counts,
            change(pending_counts, **{name: pending_counts.c[name] + 1}),
        )
        for name in ("events", "views", "first_event", "last_event")
    },
    **{f"no {name} in pending_counts": (t, recode(partial(forget, name))) for name, t in PENDING},
    "an unknown column in pending_counts": (
        pending_counts,
        recode(lambda columns, n: columns.update(x=constant(0)(n))),
    ),
    "other users in pending_counts": (
        users_by_day,
        recode(lambda columns, n: columns.update({USER: constant(NOBODY, 4)(n)})),
    ),
    "users no bitmap holds in pending_counts": (
        pending_counts,
        recode(lambda columns, n: columns.update({USER: constant(2**40, 8)(n)})),
    ),
    "events of another hour in pending_counts": (
        pending_counts,
        recode(lambda columns, n: columns.update({TIME: constant(HOUR_MS, 4)(n)})),
    ),
    "events of another minute in pending_counts": (
        events_by_minute,
        recode(lambda columns, n: columns.update({TIME: constant(MINUTE_MS * 59, 4)(n)})),
    ),
    "a number of no text in pending_counts": (
        pending_counts,
        recode(lambda columns, n: columns.update(path=(["/"], *constant(7)(n)[1:]))),
    ),
    "another text in pending_counts": (
        events_by_hour,
        recode(lambda columns, n: columns.update(path=(["/other"], *constant(0)(n)[1:]))),
    ),
    "too few events in pending_counts": (
        pending_counts,
        recode(lambda columns, n: columns.update(path=(["/"], *constant(0)(n - 1)[1:]))),
    ),
    "no number": (users, forget_number),
    "a number of two": (
        users,
        lambda c: c.execute(
            update(users)
            .where(users.c.site_id == "a", users.c.user_id.in_(["user-3", "user-4"]))
            .values(number=0)
        ),
    ),
    "a number that is not taken": (users, change(users, number=NOBODY)),
    "a number no bitmap holds": (users, change(users, number=2**32)),
    "a negative number": (users, change(users, number=-1)),
    "too few numbers taken": (users, change(sites, users=3)),
    "users of no site": (
        users,
        lambda c: c.execute(insert(users).values(site_id="x", user_id="u", number=0)),
    ),
    "no row in sites": (sites, remove(sites)),
    "a site without events": (
        sites,
        lambda c: c.execute(
            insert(sites).values(site_id="y", users=1, first_event=1, last_event=2)
        ),
    ),
    "a first event too early": (sites, change(sites, first_event=1)),
    "a first event too late": (sites, change(sites, first_event=TODAY)),
    "a last event too early": (sites, change(sites, last_event=TODAY - DAY_MS)),
    "a last event too late": (sites, change(sites, last_event=TODAY + DAY_MS)),
    "no text": (
        dimension_values,
        lambda c: c.execute(
            delete(dimension_values).where(dimension_values.c.value_key == value_key("/A"))
        ),
    ),
    "another text": (
        dimension_values,
        lambda c: c.execute(
            update(dimension_values)
            .where(dimension_values.c.value_key == value_key("/A"))
            .values(value="/B")
        ),
    ),
}


def test_whatever_is_wrong_is_found_and_mended(engine: Engine, database_settings: Settings) -> None:
    """What is compared is the same everywhere; that it is read and mended, each server shows for
    each table."""
    store(engine, "a", 1)
    one_a_table = {table: name for name, (table, _) in TAMPERS.items()}.values()
    names = TAMPERS if engine.dialect.name == "sqlite" else one_a_table
    for number, name in enumerate(names):
        table, tamper = TAMPERS[name]
        store_more(engine, number + 3, 20, sites="a", days=1)
        with engine.begin() as connection:
            tamper(connection)
        found = differences(database_settings)
        assert any(line.startswith(f"{table.name}: ") for line in found), (name, found)
        rebuild_all(engine)
        assert differences(database_settings) == [], name


def test_a_batch_that_knew_a_number_of_two_is_right_after_another_rebuild(
    engine: Engine, database_settings: Settings
) -> None:
    """It looked the numbers up before they were mended, and is stored after that."""
    store(engine, "a", 1)
    two = ["user-3", "user-4"]
    with engine.begin() as connection:
        shared = users.c.user_id.in_(two)
        connection.execute(update(users).where(users.c.site_id == "a", shared).values(number=0))
    numbers = Held(engine, UserNumbers(engine).of([("a", user) for user in two]))
    rebuild_all(engine)
    with engine.connect() as connection:
        own = connection.scalars(select(users.c.number).where(users.c.user_id.in_(two))).all()
    assert len(set(own)) == 2
    made = [
        make_event(n, site_id="a", timestamp=TODAY + n, user_id=user) for n, user in enumerate(two)
    ]
    commit_batch(engine, make_batch("late", *made), NOW, KEEP_ALL, numbers)
    assert {line.partition(":")[0] for line in differences(database_settings)} <= {
        table.name for table in USERS
    }
    rebuild_all(engine)
    assert differences(database_settings) == []


class Held(UserNumbers):
    """What was looked up some time ago."""

    def __init__(self, engine: Engine, numbers: Numbers) -> None:
        super().__init__(engine)
        self.numbers = numbers

    def of(self, wanted: Collection[User]) -> Numbers:
        assert set(wanted) <= set(self.numbers)
        return self.numbers


def test_a_pending_row_of_a_pruned_day_must_be_readable(
    counted: Engine, database_settings: Settings
) -> None:
    raise_pruned_before(counted, dict.fromkeys("ab", TODAY + DAY_MS))
    assert differences(database_settings) == []
    with counted.begin() as connection:
        change(pending_counts, data=b"no counts")(connection)
    (line,) = differences(database_settings)
    assert line.startswith("pending_counts: ")
    assert "expected counts, found bytes: " in line


def test_a_difference_is_told_where_it_is(counted: Engine, database_settings: Settings) -> None:
    key = (
        events_by_hour.c.site_id == "a",
        events_by_hour.c.dimension == "path",
        events_by_hour.c.value_key == value_key("/größe"),
        events_by_hour.c.bucket == TODAY + HOUR_MS,
        events_by_hour.c.event_type == "page_view",
    )
    with counted.begin() as connection:
        there = connection.scalar(select(events_by_hour.c.events).where(*key))
        connection.execute(update(events_by_hour).where(*key).values(events=77))
    where = "site='a' bucket=2025-11-15T01:00:00Z dimension='path' value='/größe'"
    line = f"events_by_hour: {where} event_type='page_view': expected {there}, found 77"
    assert differences(database_settings) == [line]


def test_many_differences_of_a_table_are_counted(
    counted: Engine, database_settings: Settings
) -> None:
    with counted.begin() as connection:
        deleted = connection.execute(delete(events_by_day)).rowcount
    found = [line for line in differences(database_settings) if "events_by_day" in line]
    assert len(found) == MOST_LINES + 1
    assert found[-1] == f"events_by_day: and {deleted - MOST_LINES} more"


def test_an_event_that_is_gone_is_missed_in_the_ledger(
    counted: Engine, database_settings: Settings
) -> None:
    with counted.begin() as connection:
        connection.execute(delete(events).where(*key_of(connection, events)))
    rebuild_all(counted)
    assert differences(database_settings) == ["events: outcome=stored: expected 400, found 399"]
    with counted.begin() as connection:
        connection.execute(
            update(outcomes).values(events=outcomes.c.events - 1).where(one(connection))
        )
    assert differences(database_settings) == []


def one(connection: Connection) -> Any:
    return outcomes.c.shard == connection.scalar(select(func.max(outcomes.c.shard)))


def test_only_the_part_asked_for_is_looked_at(counted: Engine, database_settings: Settings) -> None:
    with counted.begin() as connection:
        at = (events_by_hour.c.site_id == "a", events_by_hour.c.bucket == TODAY - DAY_MS + HOUR_MS)
        connection.execute(delete(events_by_hour).where(*at))
    assert differences(database_settings, Part("b")) == []
    assert differences(database_settings, Part("a", start=TODAY)) == []
    assert differences(database_settings, Part("a", end=TODAY - DAY_MS)) == []
    assert differences(database_settings, Part("a", TODAY - DAY_MS, TODAY)) != []


def test_what_is_compared_is_told(counted: Engine, database_settings: Settings) -> None:
    verified = verify(counted, Part(), say=print)
    assert (verified.events, len(verified.sites), len(verified.days)) == (400, 2, 2)


def test_nothing_differs_while_workers_store(counted: Engine, database_settings: Settings) -> None:
    worker = writing_engine(database_settings)

    def store_more() -> None:
        for number in range(40):
            commit(worker, f"c{number}", varied_events(100 + number, 50))
            if number % 5 == 0:
                merge(worker)

    storing = threading.Thread(target=store_more)
    storing.start()
    while storing.is_alive():
        assert differences(database_settings) == []
    storing.join()
    worker.dispose()
    assert differences(database_settings) == []
