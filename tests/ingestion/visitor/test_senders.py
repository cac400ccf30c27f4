"""A visitor whose address cannot be read is nobody, and the operator hears of it."""

import pytest
from flask.testing import FlaskClient

from ingestion.visitor.senders import LOGGED_MS, TOLD_MS
from shared.clock import SECOND_MS
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.visitor.test_visitors import HASHED, Clock, users_of
from tests.ingestion.wsgi import ONE, post

ADDRESS = "203.0.113.77"
LOG = "ingestion.visitor.senders"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def warnings(client: FlaskClient) -> list[str]:
    answer = client.get("/ready")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ready")
    found: list[str] = answer.get_json().get("warnings", [])
    return found


def test_a_visitor_behind_a_proxy_is_told_by_forwarded(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    app = make_ingestion(address_header="Forwarded")
    for value in (f"for={ADDRESS}", f'for=unknown, For="{ADDRESS}:81";proto=http', "for=192.0.2.1"):
        assert post(app, ONE, HASHED, HTTP_FORWARDED=value).status == 202
    first, same, other = users_of(queue)
    assert first
    assert first == same != other
    assert warnings(app.test_client()) == []


@pytest.mark.parametrize(
    ("header", "sent", "problem"),
    [
        ("Forwarded", {"HTTP_FORWARDED": "for=_x"}, "Forwarded hides the address"),
        ("Forwarded", {"HTTP_FORWARDED": f"{ADDRESS}"}, "Forwarded is not as RFC 7239 has it"),
        ("Forwarded", {}, "Forwarded is absent or empty"),
        ("X-Real-IP", {"HTTP_X_REAL_IP": "unknown"}, "X-Real-IP holds no IP address"),
        ("X-Real-IP", {"HTTP_X_REAL_IP": f"{ADDRESS}0"}, "X-Real-IP holds no IP address"),
        ("X-Real-IP", {"HTTP_X_FORWARDED_FOR": ADDRESS}, "X-Real-IP is absent or empty"),
        ("", {"REMOTE_ADDR": ""}, "the connection has none"),
    ],
)
def test_an_address_that_cannot_be_read_is_said_and_not_shown(
    make_ingestion: MakeIngestion,
    queue: EventQueue,
    caplog: pytest.LogCaptureFixture,
    header: str,
    sent: dict[str, str],
    problem: str,
) -> None:
    app = make_ingestion(address_header=header)
    assert post(app, ONE, HASHED, **sent).status == 202
    assert users_of(queue) == [None]
    [warning] = warnings(app.test_client())
    assert problem in warning
    assert [record.getMessage() for record in caplog.records if record.name == LOG] == [warning]
    assert ADDRESS not in warning + caplog.text


def test_it_is_logged_once_a_minute_and_ready_forgets_it(
    make_ingestion: MakeIngestion, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    app = make_ingestion(clock, address_header="X-Real-IP")
    start = clock.now
    for passed in (0, SECOND_MS, LOGGED_MS - 1, LOGGED_MS, LOGGED_MS + SECOND_MS):
        clock.now = start + passed
        post(app, ONE, HASHED)
    assert len([record for record in caplog.records if record.name == LOG]) == 2
    clock.now += TOLD_MS - 1
    assert len(warnings(app.test_client())) == 1
    clock.now += 1
    assert warnings(app.test_client()) == []


def test_where_no_address_is_needed_none_is_missed(
    make_ingestion: MakeIngestion, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_ingestion(address_header="X-Real-IP")
    post(app, ONE)
    assert warnings(app.test_client()) == []
    assert LOG not in {record.name for record in caplog.records}
