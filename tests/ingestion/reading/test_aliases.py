import json
from typing import Any

import pytest

from ingestion.reading.schema import EventIds, Visit, event_from
from tests.ingestion.reading.test_schema import NOW, ONE, event, refusal

ALIASES = [
    ("name", "event_type", "login", "login"),
    ("userId", "user_id", "u", "u"),
    ("uniqueId", "user_id", "u", "u"),
    ("createdAt", "timestamp", 1_763_000_000, 1_763_000_000_000),
    ("page_url", "path", "https://example.com/x?y=1", "/x"),
    ("url", "path", "/x#z", "/x"),
    ("sessionId", "session_id", "s", "s"),
]


@pytest.mark.parametrize(("alias", "field", "sent", "stored"), ALIASES)
def test_other_systems_names_are_understood(
    alias: str, field: str, sent: object, stored: object
) -> None:
    raw = {k: v for k, v in ONE.items() if k != field}
    made = event_from({**raw, alias: sent}, Visit(NOW), EventIds())
    assert getattr(made, field) == stored
    assert made.properties is None


@pytest.mark.parametrize(("alias", "field", "sent", "stored"), ALIASES)
@pytest.mark.parametrize("alias_first", [True, False])
def test_the_canonical_name_wins_and_the_alias_becomes_a_property(
    alias: str, field: str, sent: object, stored: object, alias_first: bool
) -> None:
    canonical = {field: 1_700_000_000 if field == "timestamp" else "canonical"}
    both = {alias: sent, **canonical} if alias_first else {**canonical, alias: sent}
    made = event_from({**ONE, **both}, Visit(NOW), EventIds())
    assert getattr(made, field) in {"canonical", 1_700_000_000_000}
    assert made.properties == {alias: sent}


def test_an_alias_counts_where_the_canonical_name_is_null() -> None:
    assert event(path=None, url="/x").path == "/x"
    assert event(user_id=None, userId=None, uniqueId="u").user_id == "u"


def test_an_alias_is_held_to_the_rules_of_its_field() -> None:
    assert refusal({**ONE, "userId": 42}) == ("bad_type", "user_id")
    assert refusal({**ONE, "createdAt": "not-a-date"}) == ("bad_timestamp", "timestamp")
    assert refusal({**ONE, "url": "/" + "x" * 2048}) == ("too_long", "path")


def test_type_beside_name_becomes_a_property() -> None:
    made = event_from({"site_id": "s", "name": "login", "type": "web"}, Visit(NOW), EventIds())
    assert (made.event_type, made.properties) == ("login", {"type": "web"})


def test_the_page_may_be_inside_a_payload() -> None:
    made = event(payload={"page_url": "/cart", "button": "buy"})
    assert (made.path, made.properties) == ("/cart", {"button": "buy"})


@pytest.mark.parametrize("payload_first", [True, False])
def test_the_events_own_page_comes_before_the_payloads(payload_first: bool) -> None:
    own, inner = {"page_url": "/own"}, {"payload": {"page_url": "/inner"}}
    both: dict[str, Any] = {**inner, **own} if payload_first else {**own, **inner}
    assert event(**both).path == "/own"


def test_a_payload_that_is_no_object_is_a_property() -> None:
    assert event(payload="x").properties == {"payload": "x"}


def test_unknown_fields_become_properties_and_nested_ones_json() -> None:
    made = event(plan="pro", cart=[{"sku": 1}], meta={"a": [1]}, gone=None, properties={"x": 1})
    assert made.properties is not None
    assert json.loads(made.properties.pop("cart")) == [{"sku": 1}]
    assert json.loads(made.properties.pop("meta")) == {"a": [1]}
    assert made.properties == {"plan": "pro", "gone": None, "x": 1}


def test_a_property_wins_over_an_unknown_field_of_its_name() -> None:
    assert event(plan="field", properties={"plan": "property"}).properties == {"plan": "property"}
