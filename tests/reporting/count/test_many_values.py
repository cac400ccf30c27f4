"""A site none of whose pages is popular: all have as many views as the last that is told."""

import tracemalloc

from flask.testing import FlaskClient

from shared.clock import DAY_MS
from tests.events import NOW, make_event
from tests.reporting.conftest import Store

YESTERDAY = NOW - DAY_MS
VALUES = 3000
LONG = "x" * 2000


def test_the_first_by_value_are_told_and_the_texts_of_all_are_never_in_memory(
    store: Store, reports: FlaskClient
) -> None:
    store(
        *(
            make_event(number, timestamp=YESTERDAY + number, path=f"/{number:04}/{LONG}")
            for number in reversed(range(VALUES))
        ),
        make_event(VALUES, timestamp=YESTERDAY, path="/2000/" + LONG),
    )
    question = "/stats/breakdown?site_id=site-a&dimension=path&limit=3&date=2025-11-14"
    reports.get(question)  # what the first question makes for good
    tracemalloc.start()
    try:
        answer = reports.get(question).get_json()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    found = [(row["value"].partition("/x")[0], row["views"]) for row in answer["rows"]]
    assert found == [("/2000", 2), ("/0000", 1), ("/0001", 1)]
    assert peak_bytes < VALUES * len(LONG) / 1.5
