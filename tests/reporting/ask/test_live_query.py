"""What the live and compatibility routes refuse, and which parameter they name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from reporting.app import create_app
from shared.settings import Settings

LONG = "x" * 256
BUCKET = "/analytics/minute-buckets/page_view_2024-06-07_12:34"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[FlaskClient]:
    """Reporting without a database: whatever is refused is refused before it is needed."""
    app = create_app(Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0"))
    yield app.test_client()
    app.close()


@pytest.mark.parametrize(
    ("path", "code", "field", "said"),
    [
        ("/realtime", "missing_field", "site_id", "site_id required"),
        ("/realtime?site_id=", "missing_field", "site_id", "site_id required"),
        ("/realtime?site_id=a&site_id=b", "repeated_parameter", "site_id", "twice"),
        ("/realtime?sitte_id=a", "unknown_parameter", "sitte_id", "did you mean site_id?"),
        ("/realtime?site_id[$ne]=a", "unknown_parameter", "site_id[$ne]", "did you mean site_id?"),
        (f"/realtime?site_id={LONG}", "too_long", "site_id", "255"),
        ("/users/u/sessions", "missing_field", "site_id", "site_id required"),
        ("/users/u/sessions?site_id=a&lim=3", "unknown_parameter", "lim", "did you mean limit?"),
        (f"/users/{LONG}/sessions?site_id=a", "too_long", "user_id", "255"),
        (f"/metrics/user-sessions/{LONG}", "too_long", "user_id", "255"),
        (f"/metrics/user-sessions/u?site_id={LONG}", "too_long", "site_id", "255"),
        ("/metrics/user-sessions/u?site=a", "unknown_parameter", "site", "did you mean site_id?"),
        ("/metrics/active-users?limit=0", "bad_limit", "limit", "1 to 1000"),
        ("/metrics/active-users?limit=1001", "bad_limit", "limit", "1 to 1000"),
        ("/metrics/page-views?limit=-1", "bad_limit", "limit", "1 to 1000"),
        ("/metrics/page-views?limt=3", "unknown_parameter", "limt", "did you mean limit?"),
        (f"/metrics/page-views?site_id={LONG}", "too_long", "site_id", "255"),
        ("/analytics?lookback=0", "bad_lookback", "lookback", "1 to 366"),
        ("/analytics?lookback=367", "bad_lookback", "lookback", "1 to 366"),
        ("/analytics?lookback=7d", "bad_lookback", "lookback", "1 to 366"),
        ("/analytics?lookback=-7", "bad_lookback", "lookback", "1 to 366"),
        ("/analytics?lookback=%D9%A7", "bad_lookback", "lookback", "1 to 366"),
        ("/analytics?userId=42", "unknown_parameter", "userId", "did you mean uniqueId?"),
        (f"/analytics?uniqueId={LONG}", "too_long", "uniqueId", "255"),
        (f"/analytics?type={LONG}", "too_long", "type", "255"),
        (f"/analytics?site_id={LONG}", "too_long", "site_id", "255"),
        ("/analytics/page_views_per_minute?minutes=0", "bad_minutes", "minutes", "1 to 1440"),
        ("/analytics/page_views_per_minute?minutes=1441", "bad_minutes", "minutes", "1 to 1440"),
        ("/analytics/page_views_per_minute?minutes=1.5", "bad_minutes", "minutes", "1 to 1440"),
        (
            "/analytics/page_views_per_minute?minute=5",
            "unknown_parameter",
            "minute",
            "did you mean minutes?",
        ),
        (f"{BUCKET}?limit=3", "unknown_parameter", "limit", "known are site_id"),
        (f"{BUCKET}?site_id={LONG}", "too_long", "site_id", "255"),
        (
            f"/analytics/minute-buckets/{LONG}_2024-06-07_12:34",
            "too_long",
            "event_type",
            "255",
        ),
    ],
)
def test_what_is_wrong_is_named(
    asked: FlaskClient, path: str, code: str, field: str, said: str
) -> None:
    answer = asked.get(path)
    assert answer.status_code == 400, answer.get_json()
    body = answer.get_json()
    assert (body["code"], body["field"]) == (code, field)
    assert said in body["error"]


@pytest.mark.parametrize(
    "key",
    [
        "page_view",
        "page_view_2025-11-15",
        "page_view_2025-11-15_0946",
        "page_view_2025-11-15_09:46:00",
        "page_view_2025-11-15 09:46",
        "2025-11-15_09:46",
        "_2025-11-15_09:46",
        "page_view_2025-02-30_09:46",
        "page_view_2025-11-15_24:00",
        "page_view_2025-11-15_09:60",
        "page_view_0000-01-01_00:00",
        "page_view_2025-11-15_٠٩:46",
    ],
)
def test_a_key_of_another_form_is_refused(asked: FlaskClient, key: str) -> None:
    answer = asked.get(f"/analytics/minute-buckets/{key}")
    assert answer.status_code == 400
    assert answer.get_json()["field"] == "bucket_key"
    assert "page_view_2024-06-07_12:34" in answer.get_json()["error"]


def test_nothing_can_be_posted_to_these_routes(asked: FlaskClient) -> None:
    for path in (
        "/realtime?site_id=s",
        "/users/u/sessions?site_id=s",
        "/metrics/user-sessions/u",
        "/metrics/active-users",
        "/metrics/page-views",
        "/analytics",
        "/analytics/page_views_per_minute",
        BUCKET,
    ):
        assert asked.post(path).status_code == 405, path
