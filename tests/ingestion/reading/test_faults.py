"""Two judges of an event: msgspec, which is fast, and our own check, which says why."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.reading.aliases import CANONICAL
from ingestion.reading.faults import fault_in
from ingestion.reading.fields import MAX_INTEGER, MIN_INTEGER, Fields
from shared.fields import MAX_EVENT_ID, MAX_NAME, MAX_PROPERTIES, MAX_TEXT

BLAMED = re.compile(r"\$\.(\w+)")

# Each bound, and one more.
lengths = st.sampled_from([MAX_EVENT_ID, MAX_NAME, MAX_TEXT]).flatmap(
    lambda most: st.sampled_from([most, most + 1])
)
texts = st.text(max_size=9) | lengths.map("é".__mul__)
integers = st.integers() | st.sampled_from(
    [MIN_INTEGER - 1, MIN_INTEGER, MAX_INTEGER, MAX_INTEGER + 1, 2**64, 10**400]
)
flat = st.none() | st.booleans() | integers | st.floats() | texts
members = flat | st.lists(flat, max_size=1) | st.dictionaries(texts, flat, max_size=1)
counts = st.sampled_from([MAX_PROPERTIES, MAX_PROPERTIES + 1])
properties = st.dictionaries(texts, members, max_size=3) | st.builds(
    lambda count, value: {str(number): value for number in range(count)}, counts, members
)
values = members | properties
events = st.dictionaries(st.sampled_from(sorted(CANONICAL)), values, max_size=4) | st.builds(
    lambda event, held: event | {"properties": held},
    st.dictionaries(st.sampled_from(sorted(CANONICAL)), flat, max_size=1),
    properties,
)


@settings(max_examples=2000)
@given(events)
def test_what_one_judge_refuses_the_other_refuses_for_the_same_field(event: dict[str, Any]) -> None:
    fault = fault_in(event)
    assert blamed_by_msgspec(event) == (fault and fault.field)


def blamed_by_msgspec(event: dict[str, Any]) -> str | None:
    try:
        msgspec.convert(event, Fields)
    except msgspec.ValidationError as error:
        [field] = BLAMED.findall(str(error))
        return str(field)
    return None


SENTENCES = [
    ({"user_id": 42}, "bad_type", "user_id must be a string, not a number"),
    ({"path": True}, "bad_type", "path must be a string, not true or false"),
    ({"title": []}, "bad_type", "title must be a string, not an array"),
    ({"timestamp": {}}, "bad_type", "timestamp must be a string or a number, not an object"),
    ({"properties": "x"}, "bad_type", "properties must be an object, not a string"),
    (
        {"properties": {"a": [1]}},
        "bad_type",
        "a value in properties must be a string, a number, true, false or null, not an array",
    ),
    ({"event_id": "x" * 65}, "too_long", "event_id must have at most 64 characters"),
    ({"referrer": "x" * 2049}, "too_long", "referrer must have at most 2048 characters"),
    (
        {"properties": {str(n): n for n in range(51)}},
        "too_long",
        "properties must have at most 50 members",
    ),
    (
        {"properties": {"k" * 256: 1}},
        "too_long",
        "a name in properties must have at most 255 characters",
    ),
    (
        {"properties": {"a": 2**63}},
        "number_out_of_range",
        "a number in properties must be from -9223372036854775808 to 9223372036854775807",
    ),
]


@pytest.mark.parametrize(("event", "code", "sentence"), SENTENCES)
def test_a_fault_is_told_with_what_is_wanted(
    event: dict[str, Any], code: str, sentence: str
) -> None:
    fault = fault_in(event)
    assert fault is not None
    assert (fault.code, fault.message, fault.field) == (code, sentence, next(iter(event)))


def test_the_first_of_several_faults_is_told() -> None:
    for names in (["title", "user_id"], ["user_id", "title"]):
        fault = fault_in({"site_id": "s", "path": None} | dict.fromkeys(names, 1))
        assert fault is not None
        assert fault.field == names[0]
