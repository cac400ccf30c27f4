"""Bounds of what is read: each is named in the answer, and what is beside it is taken."""

import gzip
import json
import random
import uuid
from typing import Any

import pytest

from ingestion.app import Ingestion
from ingestion.reading.body import MAX_EVENT_JSON_BYTES, MAX_GZIP_BYTES, MAX_GZIP_MEMBERS, NDJSON
from ingestion.reading.numbers import (
    MAX_DIGITS,
    MAX_EVENT_HARD,
    MAX_HARD,
    SMALL_BYTES,
    Numbers,
)
from ingestion.reading.paths import MAX_CAMPAIGN, campaign_from
from ingestion.reading.request import MAX_PARAMETERS, MAX_QUERY
from ingestion.reading.values import MAX_EVENT_VALUES, MAX_VALUES, count_values, holds_nul
from shared.errors import InvalidInput
from shared.queue.event_queue import EventQueue
from tests.ingestion.wsgi import ONE, Answer, post, queued

START = '{"site_id":"s","event_type":"e","a":'
ZIP = {"HTTP_CONTENT_ENCODING": "gzip"}
EMPTY = gzip.compress(b"", mtime=0)
ZIPPED = gzip.compress(json.dumps(ONE).encode(), mtime=0)


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def event_with(values: int) -> str:
    """An event of so many values: as many zeros in an array, its other three, itself and the array
    less what stands for none."""
    return f"{START}[{','.join('0' * (values - 3))}]}}"


def test_the_values_of_one_event_are_bounded(ingestion: Ingestion) -> None:
    fits = event_with(MAX_EVENT_VALUES)
    assert count_values(fits.encode()) == MAX_EVENT_VALUES
    assert post(ingestion, fits.encode()).status == 202
    beyond = event_with(MAX_EVENT_VALUES + 1).encode()
    answer = post(ingestion, beyond)
    assert code(answer) == (413, "too_many_values")
    assert str(MAX_EVENT_VALUES) in answer.json["error"]
    assert code(post(ingestion, beyond, CONTENT_TYPE=NDJSON)) == (413, "too_many_values")
    named = b'{"events":[' + beyond + b"]}"
    assert code(post(ingestion, named)) == (413, "too_many_values")


@pytest.mark.parametrize("way", ["array", "object", "lines"])
def test_several_events_may_hold_more_values_and_not_any_number(
    ingestion: Ingestion, queue: EventQueue, way: str
) -> None:
    def body(count: int, each: int) -> bytes:
        events = [event_with(each)] * count
        if way == "lines":
            return "\n".join(events).encode()
        array = f"[{','.join(events)}]"
        return (array if way == "array" else f'{{"events":{array}}}').encode()

    extra = {"CONTENT_TYPE": NDJSON} if way == "lines" else {}
    each = 4000
    assert post(ingestion, body(MAX_VALUES // each - 1, each), **extra).status == 202
    beyond = body(MAX_VALUES // each + 1, each)
    assert code(post(ingestion, beyond, **extra)) == (413, "too_many_values")
    assert len(queued(queue)) == MAX_VALUES // each - 1


def test_what_tells_values_apart_is_counted_outside_of_texts_alone(ingestion: Ingestion) -> None:
    text = r"[{,\",[{\\" * 40
    event = f'{START}{json.dumps(text)[:-1]},"}}'
    body = f"[{','.join([event] * 900)}]".encode()
    assert count_values(body) == 900 * 4
    assert post(ingestion, body).json["accepted"] == 900
    assert count_values(b'"",' * 400_000) > MAX_VALUES


def test_the_json_of_an_event_is_bounded(ingestion: Ingestion, queue: EventQueue) -> None:
    def event(size: int) -> bytes:
        return json.dumps({**ONE, "user_agent": "x" * size}).encode()

    assert post(ingestion, event(MAX_EVENT_JSON_BYTES - 100)).status == 202
    assert code(post(ingestion, event(MAX_EVENT_JSON_BYTES))) == (413, "too_large")
    assert post(ingestion, b" " * 500_000 + event(1)).status == 202
    assert len(queued(queue)) == 2


def test_gzip_may_have_some_members_and_padding(ingestion: Ingestion) -> None:
    most = EMPTY * (MAX_GZIP_MEMBERS - 1) + ZIPPED
    assert post(ingestion, most, **ZIP).status == 202
    assert post(ingestion, ZIPPED + bytes(512), **ZIP).status == 202
    answer = post(ingestion, EMPTY + most, **ZIP)
    assert (code(answer), answer.json["field"]) == ((413, "too_many_members"), "Content-Encoding")


def test_a_compressed_body_is_smaller(ingestion: Ingestion) -> None:
    assert post(ingestion, ZIPPED.ljust(MAX_GZIP_BYTES, b"\0"), **ZIP).status == 202
    answer = post(ingestion, ZIPPED.ljust(MAX_GZIP_BYTES + 1, b"\0"), **ZIP)
    assert code(answer) == (413, "too_large")
    assert str(MAX_GZIP_BYTES) in answer.json["error"]


@pytest.mark.parametrize(
    ("query", "bound"),
    [("x" * (MAX_QUERY + 1), MAX_QUERY), ("a=1&" * MAX_PARAMETERS, MAX_PARAMETERS)],
)
def test_a_query_is_bounded(ingestion: Ingestion, query: str, bound: int) -> None:
    answer = post(ingestion, ONE, f"/event?{query}")
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "too_long", "query")
    assert f"at most {bound} " in answer.json["error"]
    assert post(ingestion, ONE, f"/event?{query[: bound // 8]}").status == 202


def test_the_utm_parameters_of_a_page_are_bounded(ingestion: Ingestion, queue: EventQueue) -> None:
    def event(count: int) -> dict[str, Any]:
        return {**ONE, "path": "/?" + "&".join(f"utm_{n}=%C3%A9+" for n in range(count))}

    answer = post(ingestion, [event(MAX_CAMPAIGN), event(MAX_CAMPAIGN + 1)])
    assert (answer.status, answer.json["accepted"]) == (202, 1)
    [rejected] = answer.json["rejected"]
    assert (rejected["index"], rejected["code"], rejected["field"]) == (1, "too_long", "path")
    assert queued(queue)[0].properties == {f"utm_{n}": "é " for n in range(MAX_CAMPAIGN)}


def test_of_a_long_parameter_no_more_is_decoded_than_is_kept() -> None:
    assert campaign_from("?utm_a=" + "%F0%9F%98%80" * 3000) == {"utm_a": "\U0001f600" * 255}
    assert campaign_from("?utm_" + "%F0%9F%98%80" * 300 + "=1") == {}
    with pytest.raises(InvalidInput):
        campaign_from("?" + "&utm_" * 100)


NULS = [("a\0", True), (r"a\u0000", False), ("\\\0", True), (r"\\u0000", False), ("", False)]


@pytest.mark.parametrize(("text", "is_there"), NULS)
def test_a_nul_is_told_from_the_letters_that_stand_for_it(text: str, is_there: bool) -> None:
    assert holds_nul(text) == holds_nul([{text: 1}]) == holds_nul({"a": [text]}) == is_there


HARD = "2.22507385850720088e-308"
# As many programs write them.
EASY = "-0.30000000000000004"


def numbers(count: int, text: str = HARD) -> bytes:
    """Events enough for their values, with so many numbers among them."""
    each = 1000
    rows = [f"{START}[{','.join([text] * min(each, count - n))}]}}" for n in range(0, count, each)]
    return f"[{','.join(rows)}]".encode()


def test_the_hard_numbers_of_one_event_are_bounded(ingestion: Ingestion) -> None:
    def event(count: int) -> bytes:
        return f"{START}[{','.join([HARD] * count)}]}}".encode()

    # That many are no event of 32 KiB; they were read.
    assert code(post(ingestion, event(MAX_EVENT_HARD))) == (413, "too_large")
    beyond = event(MAX_EVENT_HARD + 1)
    answer = post(ingestion, beyond)
    assert code(answer) == (413, "too_many_numbers")
    assert f"{MAX_EVENT_HARD} numbers" in answer.json["error"]
    assert code(post(ingestion, b"[" + beyond + b"]")) == (413, "too_many_numbers")
    assert code(post(ingestion, beyond, CONTENT_TYPE=NDJSON)) == (413, "too_many_numbers")
    assert post(ingestion, b"[" + beyond + b"," + event(1) + b"]").status == 202


def test_the_hard_numbers_of_a_request_are_bounded(ingestion: Ingestion) -> None:
    assert post(ingestion, numbers(MAX_HARD)).status == 202
    answer = post(ingestion, numbers(MAX_HARD + 1))
    assert code(answer) == (413, "too_many_numbers")
    assert f"{MAX_HARD} in all" in answer.json["error"]
    lines = numbers(MAX_HARD + 1)[1:-1].replace(b"},{", b"}\n{")
    assert code(post(ingestion, lines)) == (413, "too_many_numbers")


def test_no_more_hard_numbers_are_read_than_there_may_be() -> None:
    asked: list[int] = []
    numbers = Numbers(lambda: asked.append(1) or 3)  # type: ignore[func-returns-value]
    for _ in range(3 * MAX_EVENT_HARD):
        assert numbers("1e-400") == 0.0
    with pytest.raises(InvalidInput, match="numbers"):
        numbers("1e-400")
    assert len(asked) == 2
    assert numbers("0.1") == 0.1


def test_numbers_as_programs_write_them_are_not_hard(ingestion: Ingestion) -> None:
    assert post(ingestion, numbers(2 * MAX_HARD, EASY)).status == 202


@pytest.mark.parametrize("opening", ["", "[[["])
def test_the_digits_of_a_number_are_bounded(ingestion: Ingestion, opening: str) -> None:
    def event(digits: int) -> bytes:
        number = opening + "7" * digits + "]" * len(opening)
        return f'{START}0,"b":"{"x" * SMALL_BYTES}","n":{number}}}'.encode()

    answer = post(ingestion, event(MAX_DIGITS + 1))
    assert code(answer) == (400, "number_out_of_range")
    assert str(MAX_DIGITS) in answer.json["error"]
    # As many are read, and then refused where they stand alone: a column has 64 bits.
    fits = post(ingestion, event(MAX_DIGITS))
    assert str(MAX_DIGITS) not in fits.json.get("error", "")


def test_a_text_may_have_any_number_of_digits(ingestion: Ingestion) -> None:
    digits = "7" * 2 * MAX_DIGITS
    event = f'{START}0,"title":"\\"{digits}","b":"{"x" * SMALL_BYTES}"}}'
    assert post(ingestion, event.encode()).status == 202


def test_json_that_is_too_large_for_its_events_is_not_decoded(ingestion: Ingestion) -> None:
    """The error is of its size, where decoding would have met another."""
    bad = b'{"site_id":"s","a":1e999,"b":"' + b"x" * MAX_EVENT_JSON_BYTES + b'"}'
    assert code(post(ingestion, bad)) == (413, "too_large")
    assert code(post(ingestion, b"[" + bad + b',{"events":[]}]')) == (400, "number_out_of_range")


def test_gzip_of_a_thousand_ordinary_events_is_taken(
    ingestion: Ingestion, queue: EventQueue
) -> None:
    ids = random.Random(7)
    events = [
        {
            **ONE,
            "event_id": str(uuid.UUID(int=ids.getrandbits(128), version=4)),
            "user_id": str(uuid.UUID(int=ids.getrandbits(128), version=4)),
            "path": f"/page/{ids.randrange(500)}",
            "properties": {"price": ids.random(), "scale": 1e-7},
        }
        for _ in range(1000)
    ]
    for body in (events, [ONE] * 1000):
        packed = gzip.compress(json.dumps(body).encode())
        assert post(ingestion, packed, **ZIP).json["accepted"] == 1000
    large = {**ONE, "properties": {f"p{n}": "All about it. " * 60 for n in range(35)}}
    packed = gzip.compress(json.dumps([large] * 25).encode())
    assert post(ingestion, packed, **ZIP).json["accepted"] == 25


def test_hard_numbers_are_read_as_exactly_as_others(
    ingestion: Ingestion, queue: EventQueue
) -> None:
    texts = ("1.7976931348623158079e308", "2.4703282292062327208e-324", "0.1", "1e-400", "-0.0")
    members = ",".join(f'"{n}":{text}' for n, text in enumerate(texts))
    assert post(ingestion, f"{START}0,{members}}}".encode()).status == 202
    properties = queued(queue)[0].properties or {}
    assert [properties[str(n)] for n in range(len(texts))] == [float(text) for text in texts]
