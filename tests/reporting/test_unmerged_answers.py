"""Every answer is the same whether its events are merged, or some of them, or none; and how many
are not is told."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, update

from reporting.answers.unmerged import LONG_SECONDS
from reporting.app import create_app
from shared.clock import MINUTE_MS
from shared.db.tables import pending_counts
from shared.settings import Settings
from tests.counted import varied_events
from tests.events import NOW, make_event
from tests.merged import merge
from tests.reporting.conftest import Store
from tests.reporting.earlier_batches import count_as_before, merge_half
from worker.stopping import StopFlag
from worker.upkeep.compaction import compact
from worker.upkeep.merging import Merger

RANGE = "from=2025-11-12&to=2025-11-15"
PATHS = [
    "/sites",
    "/analytics",
    "/analytics?site_id=a&lookback=2",
    "/analytics/page_views_per_minute?minutes=20",
    "/analytics/page_views_per_minute?minutes=20&site_id=a",
    *(f"/analytics/minute-buckets/{kind}_2025-11-15_09:4{n}" for n in range(7) for kind in
      ("page_view", "signup")),
    "/realtime?site_id=a",
    "/metrics/active-users",
    "/metrics/page-views",
    f"/stats?site_id=a&{RANGE}&compare=previous",
    f"/stats?site_id=a&{RANGE}&tz=Asia/Kolkata&event_type=signup",
    f"/stats?site_id=a&{RANGE}&path=/&country=DE",
    f"/stats/timeseries?site_id=b&{RANGE}&interval=hour",
    f"/stats/timeseries?site_id=b&{RANGE}&interval=day&path=/A",
    *(f"/stats/breakdown?site_id=a&{RANGE}&dimension={name}" for name in
      ("path", "event_type", "browser", "utm_source", "referrer")),
]  # fmt: skip


def store_some(store: Store) -> None:
    """In three batches, of three days and of the last minutes."""
    for seed in range(3):
        recent = [
            make_event(
                event_id=f"recent-{seed}-{n}",
                site_id="ab"[n % 2],
                timestamp=NOW - n * MINUTE_MS // 7,
                event_type=("page_view", "page_view", "signup")[n % 3],
                user_id=f"u{n % 11}",
            )
            for n in range(seed, 60, 2)
        ]
        store(*varied_events(seed, 60), *recent)


def test_every_answer_is_the_same_merged_or_not(
    reports: FlaskClient, writing: Engine, store: Store
) -> None:
    store_some(store)
    before = {path: reports.get(path).get_json() for path in PATHS}
    assert before["/sites"]["sites"][0]["total_events"] > 0
    merge_half(Merger(writing, StopFlag()))
    assert {path: reports.get(path).get_json() for path in PATHS} == before
    count_as_before(writing)
    assert {path: reports.get(path).get_json() for path in PATHS} == before
    compact(writing)
    assert {path: reports.get(path).get_json() for path in PATHS} == before


def status_of(client: FlaskClient) -> tuple[int, float | None]:
    told = client.get("/pipeline/status").get_json()
    return told["unmerged_events"], told["oldest_unmerged_seconds"]


def set_age(writing: Engine, seconds: int) -> None:
    with writing.begin() as connection:
        connection.execute(update(pending_counts).values(stored_at=NOW - seconds * 1000))


def test_the_status_tells_how_many_are_not_merged_and_for_how_long(
    reports: FlaskClient, writing: Engine, store: Store
) -> None:
    assert status_of(reports) == (0, None)
    store(make_event(1), make_event(2, site_id="b"))
    set_age(writing, 7)
    store(make_event(3))
    assert status_of(reports) == (3, 7)
    body = reports.get("/metrics").get_data(as_text=True)
    assert "\nfootfall_unmerged_events 3.0\n" in body
    assert "\nfootfall_oldest_unmerged_seconds 7.0\n" in body
    merge(writing)
    assert status_of(reports) == (0, None)
    body = reports.get("/metrics").get_data(as_text=True)
    assert "\nfootfall_unmerged_events 0.0\n" in body
    assert "\nfootfall_oldest_unmerged_seconds 0.0\n" in body


def test_the_clock_of_a_worker_that_is_ahead_makes_no_age_negative(
    reports: FlaskClient, writing: Engine, store: Store
) -> None:
    store(make_event(1))
    set_age(writing, -5)
    assert status_of(reports) == (1, 0)


WAITING = "2 events, the oldest for 121 s"
NOBODY_MERGES = f"not merged into the rollups yet: {WAITING}; does the periodic process run?"


@pytest.mark.parametrize(
    ("seconds", "warnings"), [(LONG_SECONDS, None), (LONG_SECONDS + 1, [NOBODY_MERGES])]
)
def test_it_is_ready_all_the_same_and_says_where_nobody_merges(
    reports: FlaskClient, writing: Engine, store: Store, seconds: int, warnings: list[str] | None
) -> None:
    store(make_event(1), make_event(2))
    set_age(writing, seconds)
    answer = reports.get("/ready")
    assert (answer.status_code, answer.get_json().get("warnings")) == (200, warnings)


def test_a_database_without_the_table_is_not_migrated(
    reporting_settings: Settings, writing: Engine
) -> None:
    with writing.begin() as connection:
        pending_counts.drop(connection)
    client = create_app(reporting_settings, clock=lambda: NOW).test_client()
    for path in (
        "/stats?site_id=a",
        "/stats?site_id=a&path=/&country=DE",
        "/sites",
        "/analytics",
        "/realtime?site_id=a",
        "/analytics/page_views_per_minute",
        "/pipeline/status",
        "/ready",
    ):
        answer = client.get(path)
        code = answer.get_json().get("code")
        expected = (200, None) if path.startswith("/realtime") else (503, "not_migrated")
        assert (answer.status_code, code) == expected, path
    assert client.get("/metrics").status_code == 200
