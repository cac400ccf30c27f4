import json
from typing import Any

import pytest

from ingestion.protocols.posted import OTHER_NAMES
from ingestion.reading.aliases import Aliases
from ingestion.reading.schema import EventIds, Visit, event_from
from shared.errors import InvalidInput
from shared.event import Event
from tests.ingestion.reading.test_schema import NOW, ONE

ALIASES = [
    ("name", "event_type", "login", "login"),
    ("userId", "user_id", "u", "u"),
    ("uniqueId", "user_id", "u", "u"),
    ("createdAt", "timestamp", 1_763_000_000, 1_763_000_000_000),
    ("page_url", "path", "https://example.com/x?y=1", "/x"),
    ("url", "path", "/x#z", "/x"),
    ("sessionId", "session_id", "s", "s"),
]


def read(raw: object, aliases: Aliases = OTHER_NAMES) -> Event:
    return event_from(raw, Visit(NOW), EventIds(), aliases)


def event(**fields: Any) -> Event:
    return read({**ONE, **fields})


def refusal(raw: object) -> tuple[str, str | None]:
    with pytest.raises(InvalidInput) as caught:
        read(raw)
    return caught.value.code, caught.value.field


@pytest.mark.parametrize(("alias", "field", "sent", "stored"), ALIASES)
def test_other_systems_names_are_understood(
    alias: str, field: str, sent: object, stored: object
) -> None:
    raw = {k: v for k, v in ONE.items() if k != field}
    made = read({**raw, alias: sent})
    assert getattr(made, field) == stored
    assert made.properties is None


@pytest.mark.parametrize(("alias", "field", "sent", "stored"), ALIASES)
@pytest.mark.parametrize("alias_first", [True, False])
def test_the_canonical_name_wins_and_the_alias_becomes_a_property(
    alias: str, field: str, sent: object, stored: object, alias_first: bool
) -> None:
    canonical = {field: 1_700_000_000 if field == "timestamp" else "canonical"}
    both = {alias: sent, **canonical} if alias_first else {**canonical, alias: sent}
    made = read({**ONE, **both})
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
    made = read({"site_id": "s", "name": "login", "type": "web"})
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


def test_aliases_are_those_of_one_protocol_and_no_others() -> None:
    """Another protocol's names are members like any other, and its own hold for it alone."""
    other = Aliases({"page": "path"}, {"context": {"who": "user_id"}})
    sent = {
        **ONE,
        "page": "/a",
        "context": {"who": "ada", "lang": "en"},
        "url": "/b",
        "userId": "u",
    }
    made = read(sent, other)
    assert (made.path, made.user_id) == ("/a", "ada")
    assert made.properties == {"lang": "en", "url": "/b", "userId": "u"}
    plain = read({**ONE, "url": "/b", "payload": {"page_url": "/c"}}, Aliases())
    assert (plain.path, plain.properties) == (
        None,
        {"url": "/b", "payload": '{"page_url":"/c"}'},
    )


def test_a_fields_other_names_are_told_in_their_order() -> None:
    assert OTHER_NAMES.others("user_id") == ["userId", "uniqueId"]
    assert OTHER_NAMES.others("path") == ["page_url", "url", "payload.page_url"]
    assert OTHER_NAMES.own_names("path") == {"path", "page_url", "url"}
    assert Aliases().others("path") == []
