import json
import subprocess
import sys
from typing import Any

import pytest

from ingestion.reading.aliases import Aliases
from ingestion.reading.fields import Fields
from ingestion.reading.schema import MAX_PAGE, EventIds, Visit, event_from
from shared.errors import InvalidInput
from shared.event import Event
from shared.fields import FROM_CLIENT, ON_WIRE

NOW = 1_763_208_000_000
ONE = {"site_id": "site-1", "event_type": "click"}


def event(**fields: Any) -> Event:
    return event_from({**ONE, **fields}, Visit(NOW), EventIds(), Aliases())


def fields_of(made: Event) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Event.__struct_fields__}


def refusal(raw: object) -> tuple[str, str | None]:
    with pytest.raises(InvalidInput) as caught:
        event_from(raw, Visit(NOW), EventIds(), Aliases())
    return caught.value.code, caught.value.field


def test_every_field_of_the_contract_arrives() -> None:
    sent: dict[str, Any] = {
        "timestamp": 1_763_000_000,
        "path": "/pricing",
        "user_id": "u",
        "session_id": "s",
        "referrer": "https://other.example/?q=1",
        "title": "Prices",
        "user_agent": "Browser/1",
        "event_id": "e-1",
        "utm_source": "news",
        "utm_medium": "mail",
        "utm_campaign": "may",
        "hostname": "shop.example",
        "properties": {"plan": "pro", "seats": 3, "price": 9.5, "trial": False, "coupon": None},
    }
    assert fields_of(event(**sent)) == {
        **ONE,
        **sent,
        "timestamp": 1_763_000_000_000,
        "received_at": NOW,
        "has_caller_id": True,
        "country": None,
    }


def test_each_field_lands_in_its_own_place() -> None:
    """Events are made by position; here no two fields have the same value."""
    sent: dict[str, Any] = {field.name: f"its {field.name}" for field in FROM_CLIENT}
    sent |= {"timestamp": NOW - 1000, "path": "/its-path", "properties": {"its": "properties"}}
    made = event_from(sent, Visit(NOW, country="DE"), EventIds(), Aliases())
    expected = sent | {"received_at": NOW, "has_caller_id": True, "country": "DE"}
    assert fields_of(made) == expected
    assert expected.keys() == {field.name for field in ON_WIRE}
    assert len({repr(value) for value in expected.values()}) == len(ON_WIRE)


def test_what_is_not_given_has_defaults() -> None:
    made = event()
    assert (made.timestamp, made.received_at, made.has_caller_id) == (NOW, NOW, False)
    assert made.event_id
    assert [made.path, made.user_id, made.session_id, made.properties] == [None] * 4


@pytest.mark.parametrize(
    "name",
    ["timestamp", "path", "user_id", "session_id", "referrer", "title", "event_id", "hostname"],
)
@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_mean_not_given(name: str, nothing: str | None) -> None:
    with_nothing, without = fields_of(event(**{name: nothing})), fields_of(event())
    assert with_nothing.pop("event_id") != without.pop("event_id")
    assert with_nothing == without


def test_events_without_an_id_each_get_their_own() -> None:
    make_id = EventIds()
    makers = [make_id] * 1000 + [EventIds()] * 9
    ids = {event_from(ONE, Visit(NOW), make, Aliases()).event_id for make in makers}
    assert len(ids) == 1009
    assert all(len(made) <= 64 for made in ids)


@pytest.mark.parametrize("field", ["site_id", "event_type"])
@pytest.mark.parametrize("nothing", [None, "", "  ", "\u2003"])
def test_a_missing_required_field_is_named(field: str, nothing: str | None) -> None:
    assert refusal({**ONE, field: nothing}) == ("missing_field", field)
    assert refusal({k: v for k, v in ONE.items() if k != field}) == ("missing_field", field)


def test_a_default_site_stands_in_for_a_missing_one() -> None:
    visit = Visit(NOW, default_site_id="home")
    assert event_from({"event_type": "e"}, visit, EventIds(), Aliases()).site_id == "home"
    assert event_from(ONE, visit, EventIds(), Aliases()).site_id == "site-1"


def test_pageview_is_stored_as_page_view() -> None:
    assert event(event_type="pageview").event_type == "page_view"
    assert event(event_type="page_view").event_type == "page_view"
    assert event(event_type="PageView").event_type == "PageView"


BOUNDS = [
    ("site_id", 255),
    ("event_type", 255),
    ("user_id", 255),
    ("session_id", 255),
    ("path", 2048),
    ("referrer", 2048),
    ("title", 2048),
    ("event_id", 64),
    ("utm_source", 255),
]


@pytest.mark.parametrize(("field", "bound"), BOUNDS)
def test_bounds_count_characters_and_are_included(field: str, bound: int) -> None:
    assert getattr(event(**{field: "é" * bound}), field) == "é" * bound
    assert refusal({**ONE, field: "é" * (bound + 1)}) == ("too_long", field)


def test_what_a_client_may_send_follows_from_the_fields() -> None:
    assert Fields.__struct_fields__ == tuple(field.name for field in FROM_CLIENT)
    most = {field.name: field.most for field in FROM_CLIENT}
    assert dict(BOUNDS).items() <= most.items()


def test_a_long_user_agent_is_cut_and_not_refused() -> None:
    assert event(user_agent="x" * 5000).user_agent == "x" * 1024


def test_a_query_string_has_a_bound_too() -> None:
    assert event(path="/?" + "q" * (MAX_PAGE - 2)).path == "/"
    assert refusal({**ONE, "path": "/?" + "q" * (MAX_PAGE - 1)}) == ("too_long", "path")


@pytest.mark.parametrize("field", ["site_id", "event_type", "path", "user_id", "title", "event_id"])
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["a"]])
def test_a_value_of_the_wrong_type_is_refused(field: str, value: object) -> None:
    assert refusal({**ONE, field: value}) == ("bad_type", field)


@pytest.mark.parametrize("value", [True, [], {}, [1763208000]])
def test_a_timestamp_is_text_or_number(value: object) -> None:
    assert refusal({**ONE, "timestamp": value}) == ("bad_type", "timestamp")


@pytest.mark.parametrize("raw", [None, 1, "event", [], [ONE], True])
def test_an_event_is_an_object(raw: object) -> None:
    assert refusal(raw) == ("bad_type", None)


BAD_PROPERTIES = [
    ([1], "bad_type"),
    ("x", "bad_type"),
    ({"a": {"b": 1}}, "bad_type"),
    ({"a": [1]}, "bad_type"),
    ({"k" * 256: 1}, "too_long"),
    ({"a": 2**63}, "number_out_of_range"),
    ({"a": -(2**63) - 1}, "number_out_of_range"),
    ({str(n): n for n in range(51)}, "too_long"),
]


@pytest.mark.parametrize(("properties", "code"), BAD_PROPERTIES)
def test_bad_properties_are_refused(properties: object, code: str) -> None:
    assert refusal({**ONE, "properties": properties}) == (code, "properties")


def test_fifty_properties_are_kept_whatever_they_came_as() -> None:
    fifty = {f"k{n}": n for n in range(50)}
    assert event(properties=fifty).properties == fifty
    assert event(**fifty).properties == fifty
    assert refusal({**ONE, **fifty, "one_more": 1}) == ("too_long", "properties")
    assert event(properties={"k": 2**63 - 1, "l": -(2**63)}).properties is not None


def test_the_campaign_of_the_page_is_kept_unless_the_event_names_its_own() -> None:
    made = event(path="/x?utm_source=a&utm_medium=b&utm_term=t", utm_source="own")
    assert (made.utm_source, made.utm_medium, made.utm_campaign) == ("own", "b", None)
    assert (made.path, made.properties) == ("/x", {"utm_term": "t"})


def test_a_campaign_never_costs_an_event_its_own_properties() -> None:
    fifty = {f"k{n}": n for n in range(50)}
    assert event(path="/x?utm_term=t", properties=fifty).properties == fifty
    made = event(path="/x?utm_term=t", properties={"utm_term": "own"})
    assert made.properties == {"utm_term": "own"}


@pytest.mark.parametrize(
    ("sent", "hostname"),
    [
        ({"hostname": "Blog.Example"}, "blog.example"),
        ({"hostname": "blog.example:8080"}, "blog.example"),
        ({"hostname": "www.blog.example."}, "www.blog.example"),
        ({"hostname": "xn--mnchen-3ya.de"}, "m\u00fcnchen.de"),
        ({"hostname": "M\u00dcNCHEN.de"}, "m\u00fcnchen.de"),
        ({"hostname": "[::1]:8000"}, "::1"),
        ({"hostname": "Ann's Computer"}, "ann's computer"),
        ({"path": "https://Blog.Example:8080/a?b#c"}, "blog.example"),
        ({"path": "https://xn--mnchen-3ya.de/"}, "m\u00fcnchen.de"),
        ({"hostname": "a.example", "path": "https://b.example/"}, "a.example"),
        ({"hostname": "", "path": "https://b.example/"}, "b.example"),
        ({"hostname": " \t", "path": "https://b.example/"}, "b.example"),
        ({"hostname": " blog.example "}, "blog.example"),
        ({"hostname": "Ann@Blog.Example"}, "ann@blog.example"),
        ({"path": "/a"}, None),
        ({"path": "https:///"}, None),
        ({}, None),
    ],
)
def test_the_host_that_shows_a_page(sent: dict[str, Any], hostname: str | None) -> None:
    assert event(**sent).hostname == hostname


def test_a_host_that_grows_in_lower_case_fits_its_column() -> None:
    made = event(hostname="\u0130 " * 127)
    assert made.hostname is not None
    assert len(made.hostname) == 255


@pytest.mark.parametrize("value", [42, True, ["a", "b"], {"a": 1}, "x" * 256])
def test_a_hostname_that_is_none_is_a_property_as_it_was_before_there_was_the_field(
    value: object,
) -> None:
    made = event(hostname=value, path="https://b.example/", properties={"plan": "pro"})
    assert made.hostname == "b.example"
    kept = json.dumps(value, separators=(",", ":")) if isinstance(value, list | dict) else value
    assert made.properties == {"hostname": kept, "plan": "pro"}
    assert event(hostname=value).properties == {"hostname": kept}


def test_other_faults_are_named_beside_a_hostname_that_is_none() -> None:
    assert refusal({**ONE, "hostname": 42, "user_id": 42}) == ("bad_type", "user_id")
    assert refusal({**ONE, "hostname": 42, "properties": 42}) == ("bad_type", "properties")


def test_two_threads_that_read_first_find_the_type_known() -> None:
    """Where msgspec still has to find out what it holds, the second may end the process: too rarely
    to wait for it here."""
    ask = (
        "import gc; from ingestion.reading.fields import Fields;"
        "print(*(type(held).__name__ for held in gc.get_referents(Fields)))"
    )
    done = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    assert "StructInfo" in done.stdout
