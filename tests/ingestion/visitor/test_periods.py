"""Visitors without a name stay the same for as long as their site wants: a day, a week, a month."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ingestion.app import Ingestion
from ingestion.visitor.salts import DAYS, MONTHS, WEEKS, Period, Salts
from shared.clock import DAY_MS
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue
from shared.sites.published import PublishedSites
from shared.sites.settings import SiteSettings
from tests.conftest import MakeIngestion, MakeQueue
from tests.ingestion.delivery.test_outages import post as send
from tests.ingestion.test_servers import SERVERS, start
from tests.ingestion.wsgi import ONE, post, queued
from tests.servers import ValkeyServer, wait_until

MONDAY = 1_762_732_800_000  # 2025-11-10T00:00:00Z
NEXT_MONDAY = MONDAY + 7 * DAY_MS
DECEMBER = 1_764_547_200_000  # 2025-12-01T00:00:00Z, a Monday
NOVEMBER = DECEMBER - 30 * DAY_MS  # a Saturday
HASHED = "/event?users=hashed"
BROWSER = {"REMOTE_ADDR": "203.0.113.77", "HTTP_USER_AGENT": "Browser/1"}
SITES = {
    "weekly": SiteSettings(visitor_period="week"),
    "monthly": SiteSettings(visitor_period="month"),
    "daily": SiteSettings(),
}

Seen = Callable[..., str | None]


class Clock:
    now = MONDAY

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def publish(queue: EventQueue, sites: dict[str, SiteSettings]) -> None:
    published = PublishedSites(queue)
    assert published.replace(published.fetch_state()[0], "test", sites)


def seen_by(app: Ingestion, queue: EventQueue, clock: Clock) -> Seen:
    def seen(site_id: str, now: int, **fields: Any) -> str | None:
        clock.now = now
        event = {**ONE, "site_id": site_id, **fields}
        assert post(app, event, HASHED, **BROWSER).status == 202
        return queued(queue)[-1].user_id

    return seen


@pytest.fixture
def seen(make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock) -> Seen:
    publish(queue, SITES)
    return seen_by(make_ingestion(clock), queue, clock)


@pytest.mark.parametrize(
    ("period", "moment", "span"),
    [
        (DAYS, MONDAY + 1, (MONDAY, MONDAY + DAY_MS)),
        (WEEKS, MONDAY, (MONDAY, NEXT_MONDAY)),
        (WEEKS, NEXT_MONDAY - 1, (MONDAY, NEXT_MONDAY)),
        (WEEKS, 0, (-3 * DAY_MS, 4 * DAY_MS)),
        (MONTHS, NOVEMBER, (NOVEMBER, DECEMBER)),
        (MONTHS, DECEMBER - 1, (NOVEMBER, DECEMBER)),
        (MONTHS, DECEMBER + 30 * DAY_MS, (DECEMBER, DECEMBER + 31 * DAY_MS)),
        # February of a leap year, 2024, after which a month begins 29 days later.
        (MONTHS, 1_706_745_600_000, (1_706_745_600_000, 1_709_251_200_000)),
    ],
)
def test_a_period_is_a_utc_day_a_week_from_monday_or_a_calendar_month(
    period: Period, moment: int, span: tuple[int, int]
) -> None:
    assert period.span(moment) == span


@pytest.mark.parametrize(
    ("site_id", "start", "end"),
    [
        ("daily", MONDAY, MONDAY + DAY_MS),
        ("weekly", MONDAY, NEXT_MONDAY),
        ("monthly", NOVEMBER, DECEMBER),
    ],
)
def test_a_visitor_is_the_same_in_a_period_and_a_new_one_in_the_next(
    seen: Seen, site_id: str, start: int, end: int
) -> None:
    visitor = seen(site_id, start)
    assert visitor
    assert len(visitor) == 32
    assert seen(site_id, (start + end) // 2) == visitor
    assert seen(site_id, end - 1) == visitor
    after = seen(site_id, end)
    assert after != visitor
    # What happened before the turn and arrives within a day after it is still the same visitor's.
    assert seen(site_id, end + 5000, timestamp=start) == visitor
    assert seen(site_id, end + DAY_MS - 1, timestamp=end - 1) == visitor
    assert seen(site_id, end + 5000, timestamp=start - 1) == after
    if site_id != "daily":  # of which this is a day, and the one after it another
        assert seen(site_id, end + DAY_MS, timestamp=end - 1) == after


def test_sites_with_different_periods_stand_beside_one_another(seen: Seen) -> None:
    first = [seen(site_id, MONDAY) for site_id in SITES]
    assert len(set(first)) == len(SITES)
    assert [seen(s, MONDAY + DAY_MS) == f for s, f in zip(SITES, first, strict=True)] == [
        True,
        True,
        False,
    ]
    assert [seen(s, NEXT_MONDAY) == f for s, f in zip(SITES, first, strict=True)] == [
        False,
        True,
        False,
    ]


def test_a_day_s_id_is_what_it_was_before_there_were_periods(
    make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock
) -> None:
    queue.redis.set(f"{queue.salt_prefix}{MONDAY}", b"s" * 32)
    app = make_ingestion(clock)
    assert post(app, ONE, HASHED, **BROWSER).status == 202
    assert queued(queue)[0].user_id == "0a452e40e542c7da173407d2bdf145ac"


def test_a_change_holds_from_the_next_event_on(
    make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock
) -> None:
    publish(queue, {"shop": SiteSettings()})
    app = make_ingestion(clock)
    seen = seen_by(app, queue, clock)
    of_day = seen("shop", MONDAY)
    assert app.door.salts.has_current(MONDAY, app.door.sites.longer_periods)
    for settings in (SiteSettings(visitor_period="week"), SiteSettings()):
        publish(queue, {"shop": settings})
        app.door.sites.looked_at = 0.0
        app.door.sites.look()
        is_back = settings == SiteSettings()
        # Reading the next one may wait for Redis, and a loop must not.
        assert app.door.salts.has_current(MONDAY, app.door.sites.longer_periods) == is_back
        assert (seen("shop", MONDAY) == of_day) == is_back
        assert app.door.salts.has_current(MONDAY, app.door.sites.longer_periods)


def test_a_period_of_a_later_version_is_a_day(
    make_ingestion: MakeIngestion, queue: EventQueue, clock: Clock
) -> None:
    publish(queue, {"shop": SiteSettings(visitor_period="year")})
    seen = seen_by(make_ingestion(clock), queue, clock)
    assert seen("shop", MONDAY) == seen("shop", MONDAY + 1) != seen("shop", MONDAY + DAY_MS)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def starts_in(file: Path) -> list[int]:
    return sorted(map(int, json.loads(file.read_bytes())))


def test_salts_of_longer_periods_are_there_where_a_site_asks_for_them(
    queue: EventQueue, tmp_path: Path
) -> None:
    salts = Salts(queue, tmp_path)
    salts.look_ahead(MONDAY)
    assert names_in(tmp_path) == ["salts.json"]
    salts.look_ahead(MONDAY, {"week", "month"})
    assert starts_in(tmp_path / "salts-week.json") == [MONDAY]
    assert starts_in(tmp_path / "salts-month.json") == [NOVEMBER]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    for now in (NEXT_MONDAY - DAY_MS, DECEMBER - DAY_MS):  # a day ahead, as those of days
        salts.look_ahead(now, {"week", "month"})
    assert starts_in(tmp_path / "salts-week.json") == [DECEMBER - 7 * DAY_MS, DECEMBER]
    assert starts_in(tmp_path / "salts-month.json") == [NOVEMBER, DECEMBER]


def test_salts_are_gone_a_day_after_their_period_also_where_nobody_asks_any_more(
    queue: EventQueue, tmp_path: Path
) -> None:
    salts = Salts(queue, tmp_path)
    salts.look_ahead(MONDAY, {"week", "month"})
    left = {
        name: queue.redis.pttl(f"{queue.salt_prefix}{name}:{start}")
        for name, start in (("week", MONDAY), ("month", NOVEMBER))
    }
    assert 0 <= NEXT_MONDAY + DAY_MS - MONDAY - left["week"] < 60_000
    assert 0 <= DECEMBER + DAY_MS - MONDAY - left["month"] < 60_000
    salts.look_ahead(NEXT_MONDAY + DAY_MS - 1)
    assert starts_in(tmp_path / "salts-week.json") == [MONDAY]
    salts.look_ahead(NEXT_MONDAY + DAY_MS)
    assert starts_in(tmp_path / "salts-week.json") == []
    assert starts_in(tmp_path / "salts-month.json") == [NOVEMBER]
    salts.look_ahead(DECEMBER + DAY_MS)
    assert starts_in(tmp_path / "salts-month.json") == []


def test_what_is_over_goes_of_each_kind_while_redis_is_away(
    make_queue: MakeQueue, queue: EventQueue, valkey: ValkeyServer, tmp_path: Path
) -> None:
    Salts(queue, tmp_path).look_ahead(MONDAY, {"week"})
    valkey.kill()
    salts = Salts(make_queue(timeout_seconds=0.5), tmp_path)
    with pytest.raises(Unavailable):
        salts.look_ahead(NEXT_MONDAY + DAY_MS, {"week"})
    assert starts_in(tmp_path / "salts.json") == []
    assert starts_in(tmp_path / "salts-week.json") == []


def lose_salts(queue: EventQueue) -> None:
    queue.redis.delete(*queue.redis.keys(f"{queue.salt_prefix}*"))


def test_a_redis_that_lost_its_data_gets_the_salts_of_longer_periods_back(
    queue: EventQueue, tmp_path: Path
) -> None:
    longer = {"week": MONDAY, "month": NOVEMBER}
    first = Salts(queue, tmp_path)
    first.look_ahead(MONDAY, longer)
    lose_salts(queue)
    first.look_ahead(MONDAY, longer)
    left = queue.redis.pttl(f"{queue.salt_prefix}week:{MONDAY}")
    assert 0 <= NEXT_MONDAY + DAY_MS - MONDAY - left < 60_000
    second = Salts(queue)
    second.look_ahead(MONDAY, longer)
    for name, began in longer.items():
        assert second.of[name].known[began] == first.of[name].known[began]
    # A salt of a day is not written anew: nobody must have it twice.
    assert second.days.known[MONDAY] != first.days.known[MONDAY]


def test_a_process_keeps_its_own_salt_where_redis_has_another(queue: EventQueue) -> None:
    first, second = Salts(queue), Salts(queue)
    first.look_ahead(MONDAY, {"week"})
    lose_salts(queue)
    second.look_ahead(MONDAY, {"week"})
    own = [salts.of["week"].known[MONDAY] for salts in (first, second)]
    assert own[0] != own[1]
    first.look_ahead(MONDAY, {"week"})
    assert first.of["week"].known[MONDAY] == own[0]
    assert queue.share_salt(MONDAY, DAY_MS, "week") == own[1]


@pytest.mark.parametrize("site_id", ["weekly", "monthly"])
def test_neither_the_turn_of_a_period_nor_a_restart_needs_redis(
    site_id: str,
    make_ingestion: MakeIngestion,
    queue: EventQueue,
    valkey: ValkeyServer,
    clock: Clock,
) -> None:
    publish(queue, SITES)
    turn = DECEMBER  # of a month, of a week and of a day
    clock.now = turn - 1000
    first, other = make_ingestion(clock), make_ingestion(clock)
    for app in (first, other):
        app.door.salts.look_ahead(turn - DAY_MS // 2, app.door.sites.longer_periods)
    valkey.kill()
    again = make_ingestion(clock)
    for app in (first, other, again):
        for clock.now in (turn - 1, turn + 1):
            assert post(app, {**ONE, "site_id": site_id}, HASHED, **BROWSER).status == 202
    valkey.start()  # and what was kept in the spool comes
    wait_until(lambda: len(queued(queue)) == 6)
    before = {event.user_id for event in queued(queue) if event.timestamp < turn}
    after = {event.user_id for event in queued(queue) if event.timestamp >= turn}
    assert (len(before), len(after), len(before | after)) == (1, 1, 2)


@pytest.mark.parametrize("content", [b"{", b'{"x":"y"}', b'{"99999999999999999999":"eA=="}'])
def test_a_file_that_is_none_of_ours_is_replaced(
    queue: EventQueue, tmp_path: Path, content: bytes
) -> None:
    for name in ("salts-week.json", "salts-month.json"):
        (tmp_path / name).write_bytes(content)
    Salts(queue, tmp_path).look_ahead(MONDAY, {"week", "month"})
    assert starts_in(tmp_path / "salts-week.json") == [MONDAY]
    assert starts_in(tmp_path / "salts-month.json") == [NOVEMBER]


@pytest.mark.parametrize("server", SERVERS)
def test_two_servers_agree_also_after_a_restart_without_redis(
    valkey: ValkeyServer, queue: EventQueue, server: str
) -> None:
    publish(queue, SITES)
    with ExitStack() as stack:
        services = [stack.enter_context(start(server, valkey.url)) for _ in range(2)]
        for service in services:
            wait_until((service.directory / "salts-month.json").exists)
            for site_id in SITES:
                assert send(service, {**ONE, "site_id": site_id}, HASHED)[0] == 202
        assert len({event.user_id for event in queued(queue)}) == len(SITES)
        services[0].kill()
        valkey.kill()
        services[0].start()
        for site_id in SITES:
            assert send(services[0], {**ONE, "site_id": site_id}, HASHED)[0] == 202
        valkey.start()
        wait_until(lambda: len(queued(queue)) == 9)
    users = {event.site_id: {event.user_id} for event in queued(queue)}
    assert len(set().union(*users.values())) == len(SITES)
