from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import iso_from_ms, now_ms
from shared.event import Event, decode_event, encode_event

text = st.text(st.characters(exclude_categories=["Cs"]))
flat = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text
events = st.builds(
    Event,
    site_id=text,
    timestamp=st.integers(0, 2**53),
    event_id=text,
    event_type=text,
    received_at=st.integers(0, 2**53),
    has_caller_id=st.booleans(),
    path=st.none() | text,
    properties=st.none() | st.dictionaries(text, flat),
)


@given(events)
def test_an_event_survives_the_queue(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


def test_the_order_of_the_fields_is_a_format() -> None:
    """What an older release queued, a newer one must read: add at the end, never reorder."""
    queued = (
        b'["s",1,"id","page_view",2,true,"/p","u","x","r","t","a","DE","us","um","uc",{"k":1},"h"]'
    )
    event = decode_event(queued)
    assert event == Event(
        site_id="s",
        timestamp=1,
        event_id="id",
        event_type="page_view",
        received_at=2,
        has_caller_id=True,
        path="/p",
        user_id="u",
        session_id="x",
        referrer="r",
        title="t",
        user_agent="a",
        country="DE",
        utm_source="us",
        utm_medium="um",
        utm_campaign="uc",
        properties={"k": 1},
        hostname="h",
    )
    assert encode_event(event) == queued


def test_an_event_of_an_older_release_has_defaults_for_what_is_new() -> None:
    assert decode_event(b'["s",1,"id","e",2]') == Event("s", 1, "id", "e", 2)


def test_an_event_of_a_newer_release_is_read_without_what_is_new() -> None:
    newer = encode_event(Event("s", 1, "id", "e", 2))[:-1] + b',"new"]'
    assert decode_event(newer) == Event("s", 1, "id", "e", 2)


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'["s"]', b"[1,2,3,4,5]", b"\xff"])
def test_what_is_no_event_is_an_error_and_not_a_guess(payload: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_event(payload)


TIMES: list[tuple[int, Any]] = [
    (0, "1970-01-01T00:00:00Z"),
    (1_763_208_000_000, "2025-11-15T12:00:00Z"),
    (1_763_208_000_005, "2025-11-15T12:00:00.005Z"),
]


@pytest.mark.parametrize(("ms", "iso"), TIMES)
def test_milliseconds_are_shown_as_iso_8601_utc(ms: int, iso: str) -> None:
    assert iso_from_ms(ms) == iso


def test_now_is_in_milliseconds_since_1970() -> None:
    assert 1_700_000_000_000 < now_ms() < 10_000_000_000_000
