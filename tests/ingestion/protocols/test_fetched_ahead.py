"""What a browser fetches ahead is answered as usual, says that it is dropped, and is not queued."""

from urllib.parse import urlencode

import pytest

from ingestion.app import Ingestion
from ingestion.reading.fetched_ahead import is_fetched_ahead
from shared.queue.event_queue import EventQueue
from tests.ingestion.wsgi import ONE, answers_counted, call, make_environ, number, post, queued

AHEAD = [
    ("HTTP_SEC_PURPOSE", "prefetch"),
    ("HTTP_SEC_PURPOSE", "prefetch;prerender"),
    ("HTTP_SEC_PURPOSE", "prefetch; anonymous-client-ip"),
    ("HTTP_SEC_PURPOSE", "Prerender"),
    ("HTTP_PURPOSE", "prefetch"),
    ("HTTP_PURPOSE", "other, PREFETCH"),
    ("HTTP_X_PURPOSE", "preview"),
    ("HTTP_X_MOZ", "prefetch"),
]
SINGLE = {"status": "dropped", "reason": "prefetch", "dropped": 1, "accepted": 0}


def dropped(app: Ingestion) -> float:
    name = 'footfall_ingestion_dropped_events_total{reason="prefetch"}'
    return number(app.test_client().get("/metrics").text, name)


@pytest.mark.parametrize(("name", "value"), AHEAD)
def test_what_is_fetched_ahead_is_dropped_and_says_so(
    ingestion: Ingestion, queue: EventQueue, name: str, value: str
) -> None:
    before = answers_counted(ingestion, 202), dropped(ingestion)
    answer = post(ingestion, ONE, **{name: value})
    assert (answer.status, answer.json) == (202, SINGLE)
    image = call(
        ingestion,
        make_environ(b"", f"/pixel.gif?{urlencode(ONE)}", REQUEST_METHOD="GET", **{name: value}),
    )
    assert (image.status, len(image.body), image.headers["X-Footfall"]) == (200, 43, "prefetch")
    assert queued(queue) == []
    assert answers_counted(ingestion, 202) == [before[0][0] + 2]
    assert dropped(ingestion) == before[1] + 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_SEC_PURPOSE", ""),
        ("HTTP_SEC_PURPOSE", "prefetching"),
        ("HTTP_PURPOSE", "none"),
        ("HTTP_X_MOZ", "\xff"),
        ("HTTP_SEC_FETCH_DEST", "prefetch"),
    ],
)
def test_anything_else_is_counted(
    ingestion: Ingestion, queue: EventQueue, name: str, value: str
) -> None:
    assert post(ingestion, ONE, **{name: value}).json == {"status": "accepted"}
    assert len(queued(queue)) == 1


def test_of_several_the_bad_ones_are_named_all_the_same(
    ingestion: Ingestion, queue: EventQueue
) -> None:
    ahead = {"HTTP_SEC_PURPOSE": "prefetch"}
    answer = post(ingestion, [ONE, {}, ONE], **ahead)
    assert (answer.status, answer.json["status"], answer.json["dropped"]) == (202, "dropped", 2)
    assert [bad["index"] for bad in answer.json["rejected"]] == [1]
    assert post(ingestion, [{}], **ahead).status == 400
    assert post(ingestion, {}, **ahead).status == 400
    assert queued(queue) == []


def test_the_headers_may_be_of_any_server() -> None:
    assert is_fetched_ahead({"sec-purpose": "prefetch"})
    assert not is_fetched_ahead({})
