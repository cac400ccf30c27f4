"""A site's own age of raw events, beside MAX_AGE: longer, shorter, or for ever."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, select

from footfall.by_hand import check_not_pruned
from reporting.app import create_app
from shared.clock import DAY_MS, now_ms
from shared.counts.rollups import TOTAL
from shared.db.dialects import dialect_of
from shared.db.tables import (
    events,
    events_by_day,
    retention,
    segments,
    site_retention,
    sparse_days,
)
from shared.errors import InvalidInput
from shared.settings import Settings
from shared.sites.stored import change_site, create_site, delete_site
from tests.counted import TODAY, commit, differences, rebuild_all
from tests.events import NOW, make_event
from tests.merged import merge
from tests.segmented import build_all
from tests.worker.conftest import BecomePeriodic
from worker import jobs
from worker.stopping import StopFlag
from worker.stored.extent import Part, fetch_pruned_before
from worker.upkeep.ages import Oldest, fetch_oldest
from worker.upkeep.retention import prune_events

AGES = (0, 5, 20, 50)
EACH = 3
# Its own age, and how old its events are that are left where MAX_AGE is 10 and where it is not set.
SITES: dict[str, tuple[int | None, list[int], list[int]]] = {
    "never": (0, [0, 5, 20, 50], [0, 5, 20, 50]),
    "others": (None, [0, 5], [0, 5, 20, 50]),
    "soon": (2, [0], [0]),
    "thirty": (30, [0, 5, 20], [0, 5, 20]),
}


def store(engine: Engine, *site_ids: str, ages: tuple[int, ...] = AGES, batch: str = "b") -> None:
    commit(
        engine,
        batch,
        [
            make_event(
                n,
                event_id=f"{batch}-{site_id}-{age}-{n}",
                site_id=site_id,
                timestamp=NOW - age * DAY_MS,
                user_id=f"u{n}",
            )
            for site_id in site_ids
            for age in ages
            for n in range(EACH)
        ],
    )


def set_age(engine: Engine, site_id: str, days: int | None) -> None:
    change_site(engine, site_id, {"raw_data_age": days}, NOW)


def ages_of(engine: Engine, site_id: str) -> list[int]:
    with engine.connect() as connection:
        moments = connection.scalars(
            select(events.c.timestamp).where(events.c.site_id == site_id)
        ).all()
    return sorted({(TODAY - moment // DAY_MS * DAY_MS) // DAY_MS for moment in moments})


def pruned_before(engine: Engine, site_id: str) -> int | None:
    with engine.connect() as connection:
        return fetch_pruned_before(connection, site_id)


def counted(engine: Engine) -> dict[str, int]:
    of = events_by_day.c
    with engine.connect() as connection:
        totals = select(of.site_id, func.sum(of.events)).where(of.dimension == TOTAL)
        rows = connection.execute(totals.group_by(of.site_id))
        return {site_id: int(number) for site_id, number in rows}


@pytest.fixture
def stored(engine: Engine) -> Engine:
    """With events of all ages, counted, of each site."""
    for site_id, (age, *_) in SITES.items():
        if age is not None:
            create_site(engine, site_id, {"raw_data_age": age}, NOW)
    store(engine, *SITES)
    merge(engine)
    return engine


@pytest.mark.parametrize("max_age", [10, None])
def test_each_site_keeps_its_events_for_as_long_as_it_says(
    stored: Engine, database_settings: Settings, max_age: int | None
) -> None:
    before = counted(stored)
    assert before == dict.fromkeys(SITES, len(AGES) * EACH)
    assert build_all(database_settings, stored)
    assert prune_events(stored, NOW, max_age, StopFlag())
    left = {site_id: (of_ten, of_none) for site_id, (_, of_ten, of_none) in SITES.items()}
    for site_id, kept in left.items():
        assert ages_of(stored, site_id) == kept[0 if max_age else 1]
    assert pruned_before(stored, "never") is None
    assert pruned_before(stored, "thirty") == TODAY - 30 * DAY_MS
    assert pruned_before(stored, "others") == (TODAY - 10 * DAY_MS if max_age else None)
    # The counts stay; what is left is compared, and can be rebuilt, site by site.
    assert counted(stored) == before
    assert differences(database_settings) == []
    rebuilt = rebuild_all(stored)
    assert counted(stored) == before
    assert differences(database_settings) == []
    assert rebuilt.pruned_days & rebuilt.days  # of one site, and of another
    for site_id, kept in left.items():
        days = rebuild_all(stored, Part(site_id)).days
        assert days == {TODAY - age * DAY_MS for age in kept[0 if max_age else 1]}
    with stored.connect() as connection:
        of = segments.c
        statement = select(of.site_id, func.min(of.bucket)).group_by(of.site_id)
        firsts = dict(tuple(row) for row in connection.execute(statement))
    for site_id, first in firsts.items():
        assert first >= (pruned_before(stored, site_id) or 0)


def test_a_lost_event_is_found_of_the_site_that_keeps_it(
    stored: Engine, database_settings: Settings
) -> None:
    prune_events(stored, NOW, 10, StopFlag())
    with stored.begin() as connection:
        old = events.c.timestamp < TODAY - 15 * DAY_MS
        connection.execute(events.delete().where(old))
    told = differences(database_settings)
    assert {line.partition("site='")[2].partition("'")[0] for line in told} == {"never", "thirty"}


def test_filtered_answers_are_refused_of_the_site_whose_events_are_gone(
    stored: Engine, database_settings: Settings
) -> None:
    prune_events(stored, NOW, 10, StopFlag())
    client = create_app(database_settings).test_client()
    told = {}
    for site_id in SITES:
        asked = {"site_id": site_id, "date": "2025-10-26", "path": "/a", "browser": "x"}
        plain = client.get("/stats", query_string={"site_id": site_id, "date": "2025-10-26"})
        assert plain.get_json()["total_events"] == EACH
        answer = client.get("/stats", query_string=asked)
        told[site_id] = answer.get_json().get("code", answer.status_code)
        at = Part(site_id, TODAY - 20 * DAY_MS, TODAY)
        is_refused = told[site_id] == "pruned"
        try:
            check_not_pruned(at, pruned_before(stored, site_id))
        except InvalidInput:
            assert is_refused
        else:
            assert not is_refused
    assert told == {"never": 200, "others": "pruned", "soon": "pruned", "thirty": 200}


def test_what_is_deleted_stays_so_whatever_is_set_afterwards(stored: Engine) -> None:
    prune_events(stored, NOW, 10, StopFlag())
    gone = TODAY - 2 * DAY_MS
    for days in (30, 0, None):
        set_age(stored, "soon", days)
        assert prune_events(stored, NOW, None, StopFlag())
        assert pruned_before(stored, "soon") == gone
        assert ages_of(stored, "soon") == [0]
    store(stored, "soon", ages=(20,), batch="late")
    set_age(stored, "soon", 0)
    prune_events(stored, NOW, 10, StopFlag())
    assert ages_of(stored, "soon") == [0, 20]  # it may come, and stay; what was there is not known
    assert pruned_before(stored, "soon") == gone
    set_age(stored, "never", 2)
    prune_events(stored, NOW, 10, StopFlag())
    assert ages_of(stored, "never") == [0]


def test_a_site_that_is_not_registered_any_more_is_as_the_others(stored: Engine) -> None:
    delete_site(stored, "never")
    prune_events(stored, NOW, 10, StopFlag())
    assert ages_of(stored, "never") == [0, 5]


def test_what_comes_for_old_days_of_a_site_that_keeps_all_is_there(
    engine: Engine, database_settings: Settings
) -> None:
    """As an import of old logs is, once the site was made for it."""
    store(engine, "others")
    merge(engine)
    prune_events(engine, NOW, 10, StopFlag())
    create_site(engine, "archive", {"raw_data_age": 0}, NOW)
    store(engine, "archive", batch="import")
    merge(engine)
    prune_events(engine, NOW, 10, StopFlag())
    assert ages_of(engine, "archive") == list(AGES)
    assert differences(database_settings) == []
    client = create_app(database_settings).test_client()
    asked = {"site_id": "archive", "date": "2025-10-26", "path": "/a", "browser": "x"}
    assert client.get("/stats", query_string=asked).status_code == 200


def test_what_an_earlier_version_said_of_all_sites_holds(stored: Engine) -> None:
    with stored.begin() as connection:
        connection.execute(insert(retention).values(id=1, pruned_before=TODAY - 15 * DAY_MS))
    prune_events(stored, NOW, 10, StopFlag())
    assert pruned_before(stored, "never") == pruned_before(stored, "thirty") == TODAY - 15 * DAY_MS
    assert pruned_before(stored, "others") == TODAY - 10 * DAY_MS
    assert pruned_before(stored, "unknown") == TODAY - 15 * DAY_MS


def test_sites_with_one_age_have_one_moment(engine: Engine) -> None:
    """So that they are compared together: also those that have nothing to lose today."""
    store(engine, "a", ages=(0, 20))
    merge(engine)
    prune_events(engine, NOW - 5 * DAY_MS, 10, StopFlag())
    store(engine, "b", ages=(20,), batch="c")
    merge(engine)
    prune_events(engine, NOW, 10, StopFlag())
    assert pruned_before(engine, "a") == pruned_before(engine, "b") == TODAY - 10 * DAY_MS
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(site_retention)) == 2


def test_an_age_is_days_before_now_and_nothing_is_for_ever(stored: Engine) -> None:
    expected = {"never": None, "soon": TODAY - 2 * DAY_MS, "thirty": TODAY - 30 * DAY_MS}
    assert fetch_oldest(stored, NOW, 10) == Oldest(TODAY - 10 * DAY_MS, expected)
    assert fetch_oldest(stored, NOW, None).of("others") is None
    assert Oldest(None, {"never": None}).keep_all
    assert not Oldest(None, {"soon": 1}).keep_all
    assert not Oldest(1, {}).keep_all


@pytest.fixture
def become(database_settings: Settings, become_periodic: BecomePeriodic) -> Callable[..., None]:
    return partial(become_periodic, database_settings)


@pytest.mark.sparse(10, 60)
@pytest.mark.parametrize("max_age", ["10", ""])
def test_the_periodic_process_goes_by_the_settings_in_the_database(
    engine: Engine, database_settings: Settings, become: Callable[..., None], max_age: str
) -> None:
    """Days with few events are counted in full first, of those sites alone that lose them."""
    become(**({"MAX_AGE": max_age} if max_age else {}))
    old: dict[str, Any] = {}
    for site_id, (age, *old[site_id]) in SITES.items():
        create_site(engine, site_id, {"raw_data_age": age}, NOW)
    now = now_ms()
    moment = now - now % DAY_MS - (TODAY - NOW)
    commit(
        engine,
        "b",
        [
            make_event(
                0, event_id=f"{site_id}-{age}", site_id=site_id, timestamp=moment - age * DAY_MS
            )
            for site_id in SITES
            for age in AGES
        ],
    )
    merge(engine)
    jobs.prune_events()
    today = now - now % DAY_MS
    for site_id, kept in old.items():
        with engine.connect() as connection:
            moments = connection.scalars(
                select(events.c.timestamp).where(events.c.site_id == site_id)
            ).all()
            days = connection.scalars(
                select(sparse_days.c.bucket).where(sparse_days.c.site_id == site_id)
            ).all()
        wanted = {today - age * DAY_MS for age in kept[0 if max_age else 1]}
        assert {moment - moment % DAY_MS for moment in moments} == set(days) == wanted
    assert differences(database_settings) == []
    set_age(engine, "never", 2)
    jobs.prune_events()
    with engine.connect() as connection:
        left = select(func.count()).select_from(events).where(events.c.site_id == "never")
        assert connection.scalar(left) == 1


@pytest.mark.sparse(10, 60)
@pytest.mark.parametrize("ahead", ["here", "database"])
def test_a_clock_that_is_ahead_deletes_nothing_as_long_as_the_other_is_right(
    engine: Engine, become: Callable[..., None], monkeypatch: pytest.MonkeyPatch, ahead: str
) -> None:
    become(MAX_AGE="10")
    right = now_ms()
    wrong = right + 400 * DAY_MS
    shown = right if ahead == "here" else wrong
    dialect = type(dialect_of(engine))
    monkeypatch.setattr(dialect, "fetch_now", lambda _dialect, _connection: shown)
    monkeypatch.setattr(jobs, "now_ms", lambda: right + wrong - shown)
    commit(engine, "b", [make_event(0, timestamp=right - DAY_MS)])
    merge(engine)
    jobs.prune_events()
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 1
        assert connection.scalar(select(func.count()).select_from(sparse_days)) == 1
