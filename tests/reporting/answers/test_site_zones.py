"""What a site's zone, and the day its weeks begin with, make of questions that say neither; against
a count of all events in plain Python."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from reporting.app import create_app
from reporting.http import book as book_module
from shared.db.tables import events
from shared.settings import Settings
from shared.sites.stored import change_site, create_site
from tests.events import make_event
from tests.merged import merge
from tests.reporting.conftest import Store

SITE = "site-a"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Half an hour off; days of 23 and 25 hours, also at midnight itself; of 23.5 and 24.5.
CASES = [
    ("Asia/Kolkata", "2025-11-15"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("Australia/Lord_Howe", "2025-10-05"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Europe/Berlin", "2025-10-26"),
]
EVERY_MS = 41 * 60_000

Row = tuple[date, str, str]
AskNow = Callable[[datetime], FlaskClient]


@pytest.fixture
def ask_at(
    reporting_settings: Settings, writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AskNow]:
    """Reporting whose clock stands, and that knows at once what is set."""
    monkeypatch.setattr(book_module, "KNOWN_SECONDS", 0.0)
    apps = []

    def ask_at(now: datetime) -> FlaskClient:
        app = create_app(reporting_settings, clock=lambda: ms_of(now))
        apps.append(app)
        return app.test_client()

    yield ask_at
    for app in apps:
        app.close()


def ms_of(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def answer(client: FlaskClient, path: str, **parameters: Any) -> Any:
    given = {name.rstrip("_"): str(value) for name, value in parameters.items()}
    got = client.get(path, query_string={"site_id": SITE, **given})
    assert got.status_code == 200, got.text
    return got.get_json()


def rows_of(engine: Engine, zone: ZoneInfo) -> list[Row]:
    """The day in a zone, the type and the user of each event that is stored."""
    with engine.begin() as connection:
        found = connection.execute(
            select(events.c.timestamp, events.c.event_type, events.c.user_id)
        ).all()
    return [(datetime.fromtimestamp(at / 1000, zone).date(), what, who) for at, what, who in found]


def numbers(rows: list[Row], first: date, last: date) -> dict[str, int]:
    mine = [row for row in rows if first <= row[0] <= last]
    return {
        "total_views": sum(what == "page_view" for _, what, _ in mine),
        "unique_users": len({who for _, _, who in mine}),
        "total_events": len(mine),
    }


def weeks(rows: list[Row], first: date, last: date, week_start: str) -> list[tuple[str, int, int]]:
    """The first day of each week, its views and its users."""
    views: Counter[date] = Counter()
    users: dict[date, set[str]] = defaultdict(set)
    for day, what, who in rows:
        if first <= day <= last:
            begins = day
            while WEEKDAYS[begins.weekday()] != week_start and begins > first:
                begins -= timedelta(days=1)
            views[begins] += what == "page_view"
            users[begins].add(who)
    return [(day.isoformat(), views[day], len(users[day])) for day in sorted(users)]


def told_weeks(series: Any, zone: ZoneInfo) -> list[tuple[str, int, int]]:
    return [
        (
            datetime.fromisoformat(point["start"]).astimezone(zone).date().isoformat(),
            point["views"],
            point["unique_users"],
        )
        for point in series["points"]
    ]


@pytest.mark.parametrize(("name", "day"), CASES)
def test_days_and_weeks_are_the_sites(
    store: Store, writing: Engine, ask_at: AskNow, name: str, day: str
) -> None:
    now = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(hours=20)
    times = range(ms_of(now) - 30 * 86_400_000, ms_of(now) + 86_400_000, EVERY_MS)
    made = [
        make_event(
            number,
            timestamp=at,
            event_type="signup" if number % 5 == 0 else "page_view",
            user_id=f"u{number % 97}",
        )
        for number, at in enumerate(times)
    ]
    store(*made[::2])
    merge(writing)
    store(*made[1::2])
    zone = ZoneInfo(name)
    rows = rows_of(writing, zone)
    today = now.astimezone(zone).date()
    first = today - timedelta(days=12)
    client = ask_at(now)
    create_site(writing, SITE, {"time_zone": name}, 1)
    for number, week_start in enumerate(("monday", "sunday", "saturday")):
        change_site(writing, SITE, {"week_start": week_start}, 2 + number)
        stats = answer(client, "/stats")
        assert (stats["date"], stats["tz"]) == (today.isoformat(), name)
        assert {each: stats[each] for each in numbers([], today, today)} == numbers(
            rows, today, today
        )
        series = answer(client, "/stats/timeseries", from_=first, interval="week")
        assert series["tz"] == name
        assert series.get("week_start", "monday") == week_start
        assert told_weeks(series, zone) == weeks(rows, first, today, week_start)
        other = answer(
            client, "/stats/timeseries", from_=first, interval="week", week_start="sunday"
        )
        assert told_weeks(other, zone) == weeks(rows, first, today, "sunday")
    before = (first - timedelta(days=13), first - timedelta(days=1))
    compared = answer(client, "/stats", from_=first, compare="previous")
    for part, days in ((compared, (first, today)), (compared["previous"], before)):
        assert {each: part[each] for each in numbers([], *days)} == numbers(rows, *days)
    split = answer(client, "/stats/breakdown", from_=first, dimension="event_type")
    assert split["tz"] == name
    assert sum(row["views"] for row in split["rows"]) == compared["total_events"]


def test_a_zone_that_is_asked_for_goes_before_the_sites(
    store: Store, writing: Engine, ask_at: AskNow
) -> None:
    client = ask_at(datetime(2025, 11, 15, 20, tzinfo=UTC))
    store(make_event(1))
    before = answer(client, "/stats")
    assert "tz" not in before
    weekly = answer(client, "/stats/timeseries", interval="week")
    assert "week_start" not in weekly
    create_site(writing, SITE, {"time_zone": "Asia/Kolkata", "week_start": "sunday"}, 1)
    assert answer(client, "/stats")["date"] == "2025-11-16"
    assert answer(client, "/stats", tz="UTC") == before
    asked = {"interval": "week", "tz": "UTC", "week_start": "monday"}
    assert answer(client, "/stats/timeseries", **asked) == weekly


def test_what_is_of_all_sites_or_says_so_stays_in_utc(
    store: Store, writing: Engine, ask_at: AskNow
) -> None:
    # In Kolkata it is Sunday the 16th.
    now = datetime(2025, 11, 15, 20, tzinfo=UTC)
    client = ask_at(now)
    store(make_event(1, timestamp=ms_of(now), received_at=ms_of(now)))
    create_site(writing, SITE, {"time_zone": "Asia/Kolkata", "week_start": "monday"}, 1)
    for site_id in (SITE, ""):
        counted = answer(client, "/analytics", site_id=site_id)["data"]["global"]
        assert counted["daily"] == {"2025-11-15": 1}
        assert counted["weekly"] == {"2025-11-09": 1}
    for week_start, begins in (("monday", "10"), ("saturday", "15"), ("sunday", "09")):
        counted = answer(client, "/analytics", week_start=week_start)["data"]["global"]
        assert counted["weekly"] == {f"2025-11-{begins}": 1}
    assert answer(client, "/stats/receipt")["days"][0]["date"] == "2025-11-15"


def test_a_zone_that_is_not_known_here_is_said(writing: Engine, ask_at: AskNow) -> None:
    create_site(writing, SITE, {"time_zone": "Asia/Kolkata"}, 1)
    with writing.begin() as connection:
        connection.exec_driver_sql(
            'UPDATE site_settings SET settings = \'{"time_zone":"Mars/Olympus"}\', revision = 2'
        )
    client = ask_at(datetime(2025, 11, 15, tzinfo=UTC))
    got = client.get("/stats", query_string={"site_id": SITE})
    assert (got.status_code, got.get_json()["code"]) == (400, "bad_timezone")
    assert "time_zone Mars/Olympus is not known here" in got.get_json()["error"]
    assert answer(client, "/stats", tz="UTC")["total_events"] == 0


def test_sites_tell_what_is_set(reports: FlaskClient, store: Store, writing: Engine) -> None:
    store(make_event(1, site_id="plain"), make_event(2, site_id="told"))
    create_site(writing, "plain", {"aliases": ["7"]}, 1)
    told = {
        "name": "The shop",
        "time_zone": "Asia/Kolkata",
        "week_start": "sunday",
        "currency": "INR",
        "public": True,
    }
    create_site(writing, "told", told, 1)
    plain, full = reports.get("/sites").get_json()["sites"]
    assert full == plain | told | {"site_id": "told"}
    assert not told.keys() & plain.keys()
