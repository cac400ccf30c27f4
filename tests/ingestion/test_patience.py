"""Bodies that do not arrive, under a server whose threads wait for them."""

import http.client
import socket
from contextlib import closing

import pytest

from ingestion.doors import wsgi
from ingestion.doors.patience import Patience
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import call, make_environ, queued


def test_what_takes_too_long_is_ended_and_nothing_else() -> None:
    patience = Patience(seconds=-1)
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ended = patience.begin(ours)
        patience.seconds = 60
        kept = patience.begin(theirs)
        patience.look()
        assert ours.recv(1) == b""
        assert patience.end(ended)
        assert not patience.end(kept)


def test_a_body_that_stops_is_answered_408_and_counts_nothing(
    make_ingestion: MakeIngestion, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(seconds=-1)
    monkeypatch.setattr(wsgi, "PATIENCE", patience)
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs), ours.makefile("rb") as body:
        theirs.sendall(b'{"site_id":"s",')
        environ = make_environ(b"", CONTENT_LENGTH="50")
        environ |= {"wsgi.input": body, "gunicorn.socket": ours}
        answer = call(make_ingestion(), environ)
    assert (answer.status, answer.json["code"]) == (http.client.REQUEST_TIMEOUT, "body_too_slow")
    assert queued(queue) == []
    assert patience.reading == {}
