"""A visitor whose address cannot be read is nobody, and the operator hears of it."""

import pytest
from flask.testing import FlaskClient

from ingestion.visitor.senders import LOGGED_MS, TOLD_MS, Senders
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


PROXIES = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32")
OTHER = "198.51.100.5"


@pytest.mark.parametrize(
    ("peer", "headers", "sender"),
    [
        ("10.0.0.1", {"x-forwarded-for": ADDRESS}, ADDRESS),
        ("10.0.0.1:5123", {"x-forwarded-for": f"forged, {OTHER}, {ADDRESS}, 10.9.9.9"}, ADDRESS),
        ("[2001:db8::1]:80", {"x-forwarded-for": f"{ADDRESS}:81,[2001:db8::2]:9"}, ADDRESS),
        ("::ffff:10.0.0.1", {"x-forwarded-for": ADDRESS}, ADDRESS),
        ("10.0.0.1", {"x-forwarded-for": "10.1.1.1, 10.2.2.2"}, "10.1.1.1"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": ""}, "10.0.0.1"),
        (None, {"x-forwarded-for": ADDRESS}, ADDRESS),
        (OTHER, {"x-forwarded-for": ADDRESS}, OTHER),
        (f"{OTHER}:9", {"forwarded": f"for={ADDRESS}", "cf-connecting-ip": ADDRESS}, OTHER),
        ("192.0.2.8", {"x-real-ip": ADDRESS}, "192.0.2.8"),
        ("192.0.2.7", {"x-real-ip": ADDRESS}, ADDRESS),
        ("10.0.0.1", {"cf-connecting-ip": ADDRESS}, ADDRESS),
        ("10.0.0.1", {"cf-connecting-ip": OTHER, "x-forwarded-for": ADDRESS}, ADDRESS),
        (
            "10.0.0.1",
            {"forwarded": f'for=x, for="{ADDRESS}:1";by=10.0.0.3, For="[2001:db8::9]";proto=https'},
            ADDRESS,
        ),
        ("10.0.0.1", {"x-forwarded-for": "fe80::1%eth0"}, "fe80::1"),
        ("10.0.0.1", {"x-forwarded-for": f"{ADDRESS}, unknown"}, None),
        ("10.0.0.1", {"forwarded": f"for={ADDRESS}, for=_hidden"}, None),
        (None, {}, None),
        (
            "10.0.0.1",
            {"x-forwarded-for": f"{ADDRESS}, " + "10.0.0.2, " * 50 + "10.0.0.3"},
            "10.0.0.2",
        ),
    ],
)
def test_only_proxies_of_one_s_own_are_believed(
    peer: str | None, headers: dict[str, str], sender: str | None
) -> None:
    senders = Senders("", PROXIES)
    found = senders.address(peer, headers.get, 0)
    assert (str(found) if found else None) == sender
    assert bool(senders.warnings(0)) == (sender is None)
    assert ADDRESS not in "".join(senders.warnings(0))


@pytest.mark.parametrize(
    ("peer", "sender"), [("10.0.0.1", ADDRESS), (OTHER, OTHER), ("10.0.0.1:5", ADDRESS)]
)
def test_with_proxies_a_header_that_is_named_is_the_only_one(peer: str, sender: str) -> None:
    headers = {"x-forwarded-for": "192.0.2.200", "cf-connecting-ip": ADDRESS}
    assert str(Senders("CF-Connecting-IP", PROXIES).address(peer, headers.get, 0)) == sender


@pytest.mark.parametrize("name", ["X_FORWARDED_FOR", "FORWARDED", "X_REAL_IP", "CF_CONNECTING_IP"])
def test_a_proxy_that_nobody_has_named_is_said(make_ingestion: MakeIngestion, name: str) -> None:
    app = make_ingestion()
    sent = {f"HTTP_{name}": f"for={ADDRESS}", "REMOTE_ADDR": OTHER}
    assert post(app, ONE, **sent).status == 202  # without visitors nobody's address is asked for
    assert warnings(app.test_client()) == []
    assert post(app, ONE, HASHED, **sent).status == 202
    [warning] = warnings(app.test_client())
    assert warning.startswith("TRUSTED_PROXIES: ")
    assert name.lower().replace("_", "-") in warning
    assert "ADDRESS_HEADER" not in warning  # to name it, where there is no proxy, would be worse
    assert ADDRESS not in warning
    assert OTHER not in warning


def test_a_proxy_that_is_named_is_believed_and_nothing_is_said(
    make_ingestion: MakeIngestion, queue: EventQueue
) -> None:
    app = make_ingestion(trusted_proxies=PROXIES)
    for peer, forwarded in (("10.0.0.1", ADDRESS), ("10.0.0.2", ADDRESS), (ADDRESS, "192.0.2.1")):
        sent = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
        assert post(app, ONE, HASHED, **sent).status == 202
    assert len(set(users_of(queue))) == 1
    assert warnings(app.test_client()) == []
