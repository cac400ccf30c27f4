"""How many values a body holds, told before it is decoded: they are what costs, not its bytes.

A value is whatever JSON has one of: a text, a number, an array, an object. A megabyte of `[[[]]]`
has half a million, and takes 200 times as long as one text of that size.
"""

from collections.abc import Callable

import msgspec

from shared.errors import InvalidInput

# A thousand events with all fields and properties have 66,000.
MAX_VALUES = 100_000
MAX_EVENT_VALUES = 10_000
TOO_MANY_VALUES = "too_many_values"
# All that tell JSON's values apart stand for themselves in texts, too.
MARKS = b",[{"

encode_json = msgspec.json.Encoder().encode


def too_many_values() -> InvalidInput:
    sentence = (
        f"a request may hold at most {MAX_EVENT_VALUES} JSON values for each event, and "
        f"{MAX_VALUES} in all: send smaller events, or fewer at once"
    )
    return InvalidInput(TOO_MANY_VALUES, sentence, status=413)


def check_values(body: bytes) -> int:
    """How many values there may be, without looking closely. Raises InvalidInput
    (`too_many_values`) where any number of events has fewer."""
    marks = count_marks(body)
    if marks > MAX_VALUES and count_values(body) > MAX_VALUES:
        raise too_many_values()
    return marks


def check_event_values(body: bytes, marks: int, count_events: Callable[[], int]) -> None:
    """Raises InvalidInput (`too_many_values`) where they are too many for that many events."""
    if marks > MAX_EVENT_VALUES:
        most = MAX_EVENT_VALUES * count_events()
        if marks > most and count_values(body) > most:
            raise too_many_values()


def count_marks(body: bytes) -> int:
    return len(body) - len(body.translate(None, MARKS))


def count_values(body: bytes) -> int:
    """The values in JSON; as many as may be without looking further, where they are too many."""
    plain = unescaped(body)
    # A value has a name and a text at most, each between two of these.
    quoted = plain.count(b'"') // 4
    return quoted if quoted > MAX_VALUES else count_marks(outside_texts(plain))


def unescaped(body: bytes) -> bytes:
    """JSON in which each quotation mark begins or ends a text."""
    if b"\\" not in body:
        return body
    return body.replace(rb"\\", b"").replace(rb"\"", b"")


def outside_texts(plain: bytes) -> bytes:
    """What stands between the texts of unescaped JSON."""
    return b" ".join(plain.split(b'"')[::2])


def holds_nul(value: object) -> bool:
    """Whether a NUL character stands anywhere in decoded JSON: MySQL and C would cut there."""
    # Without backslashes that are escaped themselves, it is no letters that may stand after one.
    return rb"\u0000" in encode_json(value).replace(rb"\\", b"")
