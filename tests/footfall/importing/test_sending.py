"""How events are posted, and what is made of ingestion's answers."""

import dataclasses
import json

import pytest

from footfall.importing.errors import CannotImport
from ingestion.app import Ingestion
from shared.settings import Settings
from tests.conftest import MakeIngestion, MakeQueue
from tests.footfall.importing.conftest import (
    Import,
    Patience,
    Queued,
    counts,
    log_line,
    log_of,
)
from tests.footfall.importing.ingestion_server import IngestionServer, canned

Said = pytest.CaptureFixture[str]


def test_requests_are_small_and_go_over_one_connection(
    run: Import, door: IngestionServer, queued: Queued
) -> None:
    long = "".join(log_line(number, agent="\x01" * 1000) for number in range(400)).encode()
    outcome = run(log_of(*range(1200)) + long)
    sizes = [(len(json.loads(r.body)), len(r.body)) for r in door.requests]
    assert sum(events for events, _ in sizes) == outcome.progress.accepted == len(queued()) == 1600
    assert max(events for events, _ in sizes) == 500
    assert len(sizes) > 4
    assert max(size for _, size in sizes) < 1024 * 1024
    assert len({request.port for request in door.requests}) == 1


def test_the_worst_line_still_fits_into_a_request(run: Import, door: IngestionServer) -> None:
    worst = log_line(1, "/" + "\x01" * 65_000).encode()
    outcome = run(log_line(0, agent="\x01" * 1000).encode() * 82 + worst)
    assert counts(outcome)[1:] == (82, 0, 1, 0)
    assert max(len(request.body) for request in door.requests) < 1024 * 1024


def test_it_waits_while_the_backlog_is_full(
    run: Import,
    make_ingestion: MakeIngestion,
    make_queue: MakeQueue,
    patience: Patience,
    capsys: Said,
) -> None:
    patience.meanwhile = [lambda: None, make_queue(batch_size=1000).claim]
    with IngestionServer(make_ingestion(max_backlog=600)) as door:
        outcome = run(log_of(*range(1500)), url=door.url)
    assert outcome.progress.accepted == 1500
    assert patience.waits == [5, 5]  # what ingestion asks for
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "answered 503" in said[0]
    assert "MAX_BACKLOG" in said[0]
    assert said[1].endswith("takes events again")


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        ("408 REQUEST TIMEOUT", "", 0.5),
        ("429 TOO MANY REQUESTS", "7", 7),
        ("502 BAD GATEWAY", "", 0.5),
        ("503 SERVICE UNAVAILABLE", "0", 0.5),
        ("503 SERVICE UNAVAILABLE", "Wed, 21 Oct 2015 07:28:00 GMT", 0.5),
        ("503 SERVICE UNAVAILABLE", "99999999", 300),
    ],
)
def test_it_waits_as_long_as_it_is_asked_to(
    run: Import,
    door: IngestionServer,
    patience: Patience,
    queued: Queued,
    status: str,
    retry_after: str,
    seconds: float,
) -> None:
    door.canned = [canned(status, b"<html>", Retry_After=retry_after)]
    patience.meanwhile = [lambda: None]
    run(log_of(1))
    assert patience.waits == [seconds]
    assert len(queued()) == 1
    assert door.requests[0].body == door.requests[1].body


def test_it_waits_until_ingestion_listens(
    run: Import, ingestion: Ingestion, patience: Patience, queued: Queued, capsys: Said
) -> None:
    door = IngestionServer(ingestion)
    patience.meanwhile = [*[lambda: None] * 6, door.start]
    run(log_of(1), url=door.url)
    door.close()
    assert patience.waits == [0.5, 1, 2, 4, 8, 10, 10]
    assert len(queued()) == 1
    assert "cannot be reached (" in capsys.readouterr().err


def test_told_to_stop_while_it_waits_it_stops(
    run: Import, door: IngestionServer, queued: Queued
) -> None:
    door.canned = [canned("503 SERVICE UNAVAILABLE")]
    assert counts(run(log_of(1))) == (0, 0, 0, 0, 0)
    assert queued() == []


def test_the_key_is_sent_where_ingestion_asks_for_it(
    run: Import, settings: Settings, make_ingestion: MakeIngestion, queued: Queued
) -> None:
    with_key = dataclasses.replace(settings, api_auth="secret")
    with IngestionServer(make_ingestion(api_auth="secret", ingest_auth=True)) as door:
        with pytest.raises(CannotImport, match="answered 401: set INGEST_AUTH to true and API_AUT"):
            run(log_of(1), with_key, url=door.url)
        run(log_of(1), dataclasses.replace(with_key, ingest_auth=True), url=door.url)
    assert len(queued()) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("404 NOT FOUND", b"{}"),
        ("500 INTERNAL SERVER ERROR", b""),
        ("202 ACCEPTED", b"hello"),
        ("202 ACCEPTED", b'{"status":"accepted","accepted":1}'),
        ("202 ACCEPTED", b'{"accepted":1,"rejected":[{"index":7,"error":"why"}]}'),
        ("400 BAD REQUEST", b"<html>"),
    ],
)
def test_what_is_not_ingestion_is_not_taken_for_it(
    run: Import, door: IngestionServer, status: str, body: bytes
) -> None:
    door.canned = [canned(status, body)]
    with pytest.raises(CannotImport, match=f"answered {status[:3]}, and not as ingestion"):
        run(log_of(1, 2))


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://example.com",
        "http://",
        "http://h:99999",
        "http://user:word@h",
        "http://h/?a=b",
        "http://h/#a",
        "http://h/a b",
        "http://h/a\nb",
    ],
)
def test_a_url_that_cannot_be_posted_to_is_refused(run: Import, url: str) -> None:
    with pytest.raises(CannotImport, match="--url must be like"):
        run(log_of(1), url=url)


def test_a_url_may_have_a_path(run: Import, door: IngestionServer) -> None:
    run(log_of(1), url=f"{door.url}/behind")
    assert door.requests[0].path == "/behind/events"
