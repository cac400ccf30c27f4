"""A column of a segment is read as it was written, and takes no more bytes than it must."""

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.counts.segments import decode_column, encode, encode_column

# One more than a user's number, of which a bitmap holds 2**32.
HIGHEST = 2**33
WIDTHS = [(0, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**32 - 1, 4), (2**32, 8)]
NO_COLUMNS = {
    "nothing": b"",
    "no msgpack": b"\xc1",
    "cut short": encode_column(["a"], array("Q", [0, 0, 0]))[:-1],
    "something behind it": encode_column(["a"], array("Q", [0])) + b"\x00",
    "two fields": encode((["a"], 1)),
    "texts that are none": encode(([1], 1, b"\x00")),
    "a text that is no UTF-8": b"\x93\x91\xa1\xff\x01\xc4\x01\x00",
    "numbers that are no bytes": encode(([], 1, [0])),
    "three bytes a number": encode(([], 3, bytes(6))),
    "no bytes a number": encode(([], 0, bytes(6))),
    "fewer than no bytes a number": encode(([], -1, bytes(6))),
    "more bytes a number than there are": encode(([], 2**63, bytes(8))),
    "a number without a text": encode_column(["a"], array("Q", [0, 1])),
    "half a number": encode(([], 2, bytes(3))),
}

texts = st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=1, unique=True)


@given(numbers=st.lists(st.integers(0, HIGHEST) | st.integers(0, 300)))
def test_a_column_of_numbers_is_read_as_it_was_written(numbers: list[int]) -> None:
    column = decode_column(encode_column((), array("Q", numbers)))
    assert (column.texts, column.numbers.tolist()) == ([], numbers)


@given(texts=texts, data=st.data())
def test_a_column_of_texts_is_read_as_it_was_written(
    texts: list[str | None], data: st.DataObject
) -> None:
    numbers = data.draw(st.lists(st.integers(0, len(texts) - 1)))
    column = decode_column(encode_column(texts, array("I", numbers)))
    assert (column.texts, column.numbers.tolist()) == (texts, numbers)


@pytest.mark.parametrize("text", [None, "", " ", "a\x00b", "größe", "e\u0301", "🚀", "\uffff"])
def test_texts_stay_what_they_are(text: str | None) -> None:
    column = decode_column(encode_column(["/", text], array("Q", [1, 0, 1])))
    assert [column.texts[number] for number in column.numbers] == [text, "/", text]


@pytest.mark.parametrize(("highest", "width"), WIDTHS)
def test_numbers_take_as_few_bytes_as_the_highest_needs(highest: int, width: int) -> None:
    data = encode_column((), array("Q", [0] * 999 + [highest]))
    column = decode_column(data)
    assert column.numbers.dtype == np.dtype(f"<u{width}")
    assert column.numbers[-1] == highest
    assert 1000 * width < len(data) < 1000 * width + 10


@pytest.mark.parametrize("name", NO_COLUMNS)
def test_bytes_that_are_no_column_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_column(NO_COLUMNS[name])


@given(data=st.binary(max_size=40))
def test_any_bytes_are_a_column_or_refused(data: bytes) -> None:
    try:
        column = decode_column(data)
    except ValueError:
        return
    assert np.issubdtype(column.numbers.dtype, np.unsignedinteger)
