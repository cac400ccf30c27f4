"""POST /event is answered before Flask's routing; nobody may be able to tell."""

import gzip
import json
from typing import Any

import pytest

from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, call, make_environ, queued

BATCH = [ONE, {}, {**ONE, "path": "/x", "event_id": "mine"}]
REQUESTS: list[tuple[str, object, dict[str, Any]]] = [
    ("one", ONE, {}),
    ("one to /events", ONE, {"PATH_INFO": "/events"}),
    ("batch", BATCH, {}),
    ("batch in an object", {"events": BATCH}, {"PATH_INFO": "/events"}),
    ("all bad", [{}, 1], {}),
    ("missing field", {"site_id": "s"}, {}),
    ("not JSON", b"x", {}),
    ("empty", b"", {"CONTENT_LENGTH": ""}),
    ("too large", b" " * 1_048_577, {}),
    ("short of its length", b"{}", {"CONTENT_LENGTH": "9"}),
    ("gzip", gzip.compress(json.dumps(BATCH).encode(), mtime=0), {"HTTP_CONTENT_ENCODING": "gzip"}),
    ("no gzip", b"{}", {"HTTP_CONTENT_ENCODING": "gzip"}),
    ("unknown encoding", b"{}", {"HTTP_CONTENT_ENCODING": "br"}),
    ("a form", b"a=b", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}),
    ("query string", ONE, {"QUERY_STRING": "a=b&c=%FF"}),
    ("allowed origin", ONE, {"HTTP_ORIGIN": "https://a.example"}),
    ("other origin", ONE, {"HTTP_ORIGIN": "https://b.example"}),
    ("visitor", ONE, {"HTTP_USER_AGENT": "Zo\xc3\xab", "HTTP_CF_IPCOUNTRY": "de"}),
    ("no key", ONE, {"HTTP_AUTHORIZATION": ""}),
    ("wrong host", ONE, {"HTTP_HOST": "bad host:x"}),
]


@pytest.mark.parametrize(("body", "extra"), [r[1:] for r in REQUESTS], ids=[r[0] for r in REQUESTS])
def test_the_short_path_and_flask_answer_alike(
    make_ingestion: MakeIngestion, queue: EventQueue, body: object, extra: dict[str, Any]
) -> None:
    app = make_ingestion(
        clock=lambda: 1_763_208_000_000,
        country_header="CF-IPCountry",
        cors_origins=("https://a.example",),
        api_auth="key",
        ingest_auth=True,
    )
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    outcomes = []
    for through_flask in (False, True):
        environ = make_environ(data, **{"HTTP_AUTHORIZATION": "key", **extra})
        answer = call(app, environ, through_flask=through_flask)
        outcomes.append((answer.status, sorted(answer.headers), answer.body, kept(queue)))
        queue.redis.delete(queue.buffer)
    assert outcomes[0] == outcomes[1]


def kept(queue: EventQueue) -> list[dict[str, Any]]:
    """The queued events without the ids that each push makes anew."""
    events = []
    for event in queued(queue):
        values = {name: getattr(event, name) for name in event.__struct_fields__}
        if not event.has_caller_id:
            del values["event_id"]
        events.append(values)
    return events


def test_a_full_queue_is_answered_alike(make_ingestion: MakeIngestion) -> None:
    app = make_ingestion(max_backlog=1)
    data = json.dumps(ONE).encode()
    call(app, make_environ(data))
    short, flask = (call(app, make_environ(data), through_flask=way) for way in (False, True))
    assert short.status == flask.status == 503
    assert (sorted(short.headers), short.body) == (sorted(flask.headers), flask.body)
