"""How answers go out: CSV, how long they may be kept, and what is said of pruned events."""

import csv
import io

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from shared.db.tables import retention
from tests.events import NOW, make_event
from tests.reporting.conftest import Store

DAY_MS = 86_400_000
TODAY = "/stats/timeseries?site_id=site-a&date=2025-11-15"
PATHS = "/stats/breakdown?site_id=site-a&dimension=path&date=2025-11-15"


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv_has_the_rows_of_the_json(reports: FlaskClient, store: Store) -> None:
    store(make_event(1, path='/a,"b"\n'), make_event(2, path='/a,"b"\n'), make_event(3, path="/é"))
    asked = f"{PATHS}&format=csv"
    answer = reports.get(asked)
    assert answer.content_type == "text/csv; charset=utf-8"
    assert rows_of(answer.get_data(as_text=True)) == [
        ["value", "views", "unique_users"],
        ['/a,"b"\n', "2", "1"],
        ["/é", "1", "1"],
    ]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv, application/json;q=0.5", "text/csv; charset=utf-8"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
    ],
)
def test_the_accept_header_chooses(reports: FlaskClient, accept: str, content_type: str) -> None:
    answer = reports.get(TODAY, headers={"Accept": accept})
    assert answer.content_type == content_type
    assert "Accept" in answer.headers["Vary"]


def test_format_wins_over_the_accept_header(reports: FlaskClient) -> None:
    answer = reports.get(f"{TODAY}&format=json", headers={"Accept": "text/csv"})
    assert answer.is_json


def test_an_empty_table_still_names_its_columns(reports: FlaskClient) -> None:
    assert reports.get(f"{PATHS}&format=csv").get_data() == b"value,views,unique_users\r\n"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t"])
def test_a_spreadsheet_runs_nothing_that_was_posted(
    reports: FlaskClient, store: Store, sign: str
) -> None:
    store(make_event(1, path=f"{sign}cmd|' /C calc'!A0"))
    text = reports.get(f"{PATHS}&format=csv").get_data(as_text=True)
    assert rows_of(text)[1][0] == f"'{sign}cmd|' /C calc'!A0"
    assert reports.get(PATHS).get_json()["rows"][0]["value"] == f"{sign}cmd|' /C calc'!A0"


@pytest.mark.parametrize("route", ["/stats", "/stats/timeseries", "/stats/breakdown"])
def test_an_open_range_is_kept_for_seconds_and_an_ended_one_for_an_hour(
    reports: FlaskClient, route: str
) -> None:
    more = "&dimension=path" if route.endswith("breakdown") else ""
    for day, kept in (("2025-11-15", 5), ("2025-11-16", 5), ("2025-11-14", 3600)):
        answer = reports.get(f"{route}?site_id=site-a&date={day}{more}")
        assert answer.headers["Cache-Control"] == f"private, max-age={kept}"


def test_what_did_not_change_is_not_sent_again(reports: FlaskClient, store: Store) -> None:
    store(make_event(1))
    tag = reports.get(TODAY).headers["ETag"]
    again = reports.get(TODAY, headers={"If-None-Match": tag})
    assert (again.status_code, again.get_data()) == (304, b"")
    assert again.headers["Cache-Control"] == "private, max-age=5"
    store(make_event(2))
    changed = reports.get(TODAY, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_the_same_numbers_as_csv_have_another_tag(reports: FlaskClient) -> None:
    tags = {reports.get(f"{TODAY}&format={form}").headers["ETag"] for form in ("json", "csv")}
    assert len(tags) == 2


def test_pruned_days_are_answered_from_rollups_or_refused(
    reports: FlaskClient, store: Store, writing: Engine
) -> None:
    store(make_event(1, timestamp=NOW - DAY_MS, country="DE"))
    with writing.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events")
        connection.execute(retention.insert(), {"id": 1, "pruned_before": NOW - NOW % DAY_MS})
    day = "site_id=site-a&date=2025-11-14"
    for kept in ("", "&tz=Europe/Berlin", "&event_type=all", "&compare=previous"):
        assert reports.get(f"/stats?{day}{kept}").get_json()["total_views"] == 1
    assert reports.get(f"/stats/breakdown?{day}&dimension=country").get_json()["rows"] == [
        {"value": "DE", "views": 1, "unique_users": 1}
    ]
    for gone in ("&tz=Asia/Kolkata", "&browser=Firefox&os=Linux", "&country=DE"):
        refused = reports.get(f"/stats?{day}{gone}")
        assert (refused.status_code, refused.get_json()["code"]) == (400, "pruned")
        assert "2025-11-15" in refused.get_json()["error"]
        assert refused.get_json()["field"] == "date"
    today = reports.get("/stats?site_id=site-a&date=2025-11-15&browser=Firefox&os=Linux")
    assert today.status_code == 200
