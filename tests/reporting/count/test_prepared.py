"""A statement that was built before answers as one that is built for its values."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, Table, insert

from reporting.count.pending_statements import select_pending
from reporting.count.prepared import FEW_SPANS, PARTITION_ROWS, built, fetch, shape_of
from reporting.count.rollup_statements import (
    select_buckets,
    select_texts,
    select_value_buckets,
    select_value_views,
)
from reporting.count.statements import Rows, select_sparse_days
from shared.clock import DAY_MS
from shared.counts.rollups import value_key
from shared.counts.sparse import Kept
from shared.db.tables import dimension_values, events_by_day, sparse_days
from shared.event import PAGE_VIEW
from tests.events import NOW, make_event
from tests.reporting.conftest import Store

TODAY = NOW - NOW % DAY_MS
DAYS = [TODAY + n * DAY_MS for n in range(FEW_SPANS + 2)]
WORDS = [f"/ä{n}" for n in range(PARTITION_ROWS + 200)]
KEYS = [value_key(word) for word in WORDS]
ALL = (TODAY, DAYS[-1] + DAY_MS)
EACH = [(day, day + DAY_MS // 2) for day in DAYS]

Asked = tuple[Callable[..., Rows], tuple[Any, ...]]
VIEWS: tuple[Table, str, str] = (events_by_day, "a", "path")
ASKED: list[Asked] = [
    (select_value_views, (*VIEWS, PAGE_VIEW, [ALL])),
    (select_value_views, (*VIEWS, PAGE_VIEW, EACH[:1])),
    (select_value_views, (*VIEWS, PAGE_VIEW, EACH[1:2])),
    (select_value_views, (*VIEWS, "other", [ALL])),
    (select_value_views, (*VIEWS, None, [ALL])),
    (select_value_views, (*VIEWS, None, [ALL], KEYS[:3])),
    (select_value_views, (*VIEWS, None, [ALL], [KEYS[7]])),
    (select_value_buckets, (*VIEWS, KEYS[1], DAYS[:2])),
    (select_value_buckets, (*VIEWS, KEYS[2], DAYS)),
    (select_buckets, (*VIEWS, EACH[:2])),
    (select_buckets, (*VIEWS, EACH)),
    (select_texts, (KEYS[3:9],)),
    (select_texts, (KEYS[:1],)),
    (select_sparse_days, ("a", ALL)),
    (select_sparse_days, ("a", EACH[3])),
    (select_pending, ("a", ALL)),
    (select_pending, ("a", EACH[-1])),
]


@pytest.fixture
def filled(writing: Engine, store: Store) -> None:
    """More rows than are fetched at a time, on each of more days than a built statement takes."""
    store(*(make_event(n, site_id="a", timestamp=day) for n, day in enumerate(DAYS)))
    with writing.begin() as connection:
        connection.execute(
            insert(dimension_values),
            [{"value_key": key, "value": word} for key, word in zip(KEYS, WORDS, strict=True)],
        )
        connection.execute(
            insert(sparse_days),
            [{"site_id": "a", "bucket": day, "events": 1, "kept": Kept.DAYS} for day in DAYS],
        )
        connection.execute(
            insert(events_by_day),
            [
                {
                    "site_id": "a",
                    "dimension": "path",
                    "bucket": DAYS[n % len(DAYS)],
                    "value_key": key,
                    "event_type": event_type,
                    "events": n + 1,
                }
                for n, key in enumerate(KEYS)
                for event_type in (PAGE_VIEW, "other")
            ],
        )


@pytest.mark.usefixtures("filled")
def test_it_answers_as_if_it_was_built_anew(reading: Engine) -> None:
    found = []
    with reading.connect() as connection:
        for select, values in [*ASKED, *ASKED]:
            answer = sorted(fetch(connection, select, *values), key=repr)
            assert answer == sorted(connection.execute(select(*values)), key=repr)
            found.append(len(answer))
        limited = list(fetch(connection, select_value_views, *VIEWS, None, [ALL], KEYS[:30], 7))
    assert max(found) > PARTITION_ROWS
    assert all(found)
    assert len(limited) == 7


def test_values_of_one_shape_are_one_statement() -> None:
    shapes = [tuple(map(shape_of, values)) for _, values in ASKED[:5]]
    assert shapes[0] == shapes[1] == shapes[2] == shapes[3] != shapes[4]
    statements = {id(built(select_value_views, shape)) for shape in shapes[:4]}
    assert len(statements) == 1


def test_many_spans_are_kept_by_nobody(reading: Engine) -> None:
    before = built.cache_info().currsize
    with reading.connect() as connection:
        assert list(fetch(connection, select_buckets, *VIEWS, EACH)) == []
    assert built.cache_info().currsize == before
