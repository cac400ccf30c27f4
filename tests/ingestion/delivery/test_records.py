"""Records as they stand in a spool's file, whole, torn and damaged."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.delivery.records import HEAD, Record, most_packed_bytes, packed, records_from
from shared.queue.push_command import Place, new_stream

PLACES = st.builds(Place, st.text(max_size=30), st.integers(1, 2**63))
RECORDS = st.builds(Record, PLACES, st.lists(st.binary(max_size=300), min_size=1, max_size=5))
ONE = Record(Place("stream", 7), [b"a", b"b" * 100])
TWO = Record(Place("stream", 8), [b'{"x":1}'])
LAST = Record(Place("other", 1), [b"", b"\0\xff" * 20])


@given(st.lists(RECORDS, max_size=5))
def test_what_is_packed_is_read_again(records: list[Record]) -> None:
    data = b"".join(map(packed, records))
    found = list(records_from(data))
    assert [record for _, record in found] == records
    ends = [end for end, _ in found]
    assert ends == sorted(ends)
    assert not ends or ends[-1] == len(data)


def test_of_a_torn_record_nothing_is_read_and_what_stands_before_it_stays() -> None:
    before = packed(ONE) + packed(TWO)
    data = before + packed(LAST)
    for length in range(len(before), len(data)):
        found = list(records_from(data[:length]))
        assert [record for _, record in found] == [ONE, TWO], length
        assert found[-1][0] == len(before)


def test_a_record_that_is_damaged_is_left_out_and_those_behind_it_are_not() -> None:
    first, second, third = map(packed, (ONE, TWO, LAST))
    for at in range(HEAD.size, len(second)):
        damaged = bytearray(second)
        damaged[at] ^= 0x10
        found = [record for _, record in records_from(first + bytes(damaged) + third)]
        assert found == [ONE, None, LAST], at


@pytest.mark.parametrize("zeros", [1, HEAD.size, 4096])
def test_zeros_that_a_power_cut_left_are_a_torn_end(zeros: int) -> None:
    data = packed(ONE) + b"\0" * zeros
    assert list(records_from(data)) == [(len(packed(ONE)), ONE)]


def test_a_length_that_is_nonsense_is_a_torn_end() -> None:
    data = packed(ONE) + struct.pack("<III", 0xFFFFFFFF, 1, 1) + b"x" * 50
    assert [record for _, record in records_from(data)] == [ONE]


@pytest.mark.parametrize("sizes", [[], [0], [31] * 20, [255], [70_000], [1, 300, 70_000] * 3])
def test_how_large_a_record_will_be_is_known_before(sizes: list[int]) -> None:
    events = [b"x" * size for size in sizes]
    size = len(packed(Record(Place(new_stream(), 2**62), events)))
    assert size <= most_packed_bytes(events) <= size + 40 + 5 * len(events)
