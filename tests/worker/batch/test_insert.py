"""Events become rows by position: for each column, the value is that of its own field."""

from typing import Any

import msgspec
from sqlalchemy import create_engine, select

from shared.db.tables import events
from shared.event import Event
from shared.fields import MADE_BY_WORKER, ON_WIRE, Kind
from worker.batch.insert import ROW_NAMES, insert_all, row_from
from worker.enrich.clients import client_from
from worker.enrich.sources import source_from

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6) AppleWebKit/605.1.15 Version/18.6 Safari/604.1"
ODD: dict[str, Any] = {
    "user_agent": PHONE,
    "referrer": "https://partner.example/page",
    "country": "DE",
}


def distinct_event() -> Event:
    """Each field has a value that no other has."""
    values: dict[Kind, Any] = {Kind.FLAG: True, Kind.OBJECT: {"plan": "pro"}}
    distinct: dict[str, Any] = {
        field.name: ODD.get(field.name)
        or values.get(field.kind)
        or (1_763_200_000_000 + n if field.kind is Kind.MOMENT else f"<{field.name}>")
        for n, field in enumerate(ON_WIRE)
    }
    return Event(**distinct)


def made_by_worker(event: Event) -> dict[str, str | None]:
    client = client_from(event.user_agent)
    return {
        "source": source_from(event.referrer, event.site_id, event.hostname),
        "browser": client.browser,
        "os": client.os,
        "device": client.device,
    }


def test_every_field_is_stored_in_its_own_column() -> None:
    event = distinct_event()
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        events.create(connection)
        inserted = insert_all(connection, [event], 0)
        stored = dict(connection.execute(select(events)).one()._mapping)
    expected = msgspec.structs.asdict(event) | made_by_worker(event)
    del expected["has_caller_id"]
    assert stored == expected
    assert len({repr(value) for value in stored.values()}) == len(stored)
    assert inserted.stored == [row_from(event)]


def test_what_the_worker_makes_is_what_the_table_of_fields_says() -> None:
    made = [field.name for field in MADE_BY_WORKER]
    assert list(made_by_worker(distinct_event())) == made
    assert set(ROW_NAMES[-len(made) :]) == set(made)
