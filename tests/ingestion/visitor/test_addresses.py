"""Addresses in headers: the last counts, and none is shown in an error."""

import re
import traceback
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.visitor.addresses import Address, address_from, address_in_forwarded

MINE, OTHER, SIX = "203.0.113.7", "198.51.100.9", "2001:db8::7"

FORWARDED = [
    (f"for={MINE}", MINE),
    (f"For={MINE}; proto=https;by={OTHER}", MINE),
    (f"proto=https;host=a.example; for={MINE}", MINE),
    (f"for={MINE}:4711", MINE),
    (f'for="{MINE}:4711"', MINE),
    (f'for="{MINE}:_port"', MINE),
    (f'for="[{SIX}]"', SIX),
    (f'for="[{SIX}]:4711"', SIX),
    (f'FOR="[{SIX.upper()}]:4711"', SIX),
    (f"for=[{SIX}]:4711", SIX),  # no token, and yet proxies write it
    (f"for={SIX}", SIX),
    (f'for="[::ffff:{MINE}]"', MINE),
    (f"for={OTHER}, for={MINE}", MINE),
    (f"for={OTHER},for=unknown,\tfor={MINE} ", MINE),  # as servers join several headers
    (f'for={OTHER}, for="[{SIX}]:1";host="a,b;for={OTHER}"', SIX),
    (f'for={MINE};host="a\\"b, for={OTHER}"', MINE),
    (f'host="\\\\";for={MINE}', MINE),
    (f"for={MINE};;", MINE),
    # What the client wrote before it, to have it swallowed.
    (f'for="{OTHER}, for={MINE}', MINE),
    (f'for="\\", for={MINE};host="a\\"b"', MINE),
    (f'for={OTHER};x=", for="{MINE}";y="z"', MINE),
    (f"for={OTHER};, for={MINE}", MINE),
]


@pytest.mark.parametrize(("text", "address"), FORWARDED)
def test_the_last_element_of_forwarded_tells_the_address(text: str, address: str) -> None:
    assert str(address_in_forwarded(text)) == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("for=unknown", "hides the address"),
        ("for=Unknown", "hides the address"),
        ("for=_hidden", "hides the address"),
        ('for="_SEVKISEK"', "hides the address"),
        (f"for={MINE}, for=_x", "hides the address"),
        (f"for={MINE}, proto=https", "has not one `for`"),
        (f"for={MINE},", "has not one `for`"),
        (f"for={MINE};for={OTHER}", "has not one `for`"),
        (f"for={MINE}, for={OTHER};for={MINE}", "has not one `for`"),
        ("", "has not one `for`"),
        (MINE, "is not as RFC 7239 has it"),
        (f"for = {MINE}", "is not as RFC 7239 has it"),
        (f"for={MINE} {OTHER}", "is not as RFC 7239 has it"),
        (f'for="{MINE}"x', "is not as RFC 7239 has it"),
        ("for=", "holds no IP address"),
        ("for=example.com", "holds no IP address"),
        ('for="[', "is not as RFC 7239 has it"),
        (f'for="{MINE}', "is not as RFC 7239 has it"),
        (f'by="x;for={MINE}', "is not as RFC 7239 has it"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        address_in_forwarded(text)


@given(st.text(alphabet='for=",;\\ \t[]:1.a_x'))
@example('"\\' * 20_000)
@example("for=," * 10_000)
@example("\\" * 50_000 + '"')
def test_whatever_a_client_writes_before_it_the_proxy_is_read(prefix: str) -> None:
    assert str(address_in_forwarded(f'{prefix}, for="[{SIX}]:1";proto=https')) == SIX


@pytest.mark.parametrize("read", [address_from, address_in_forwarded])
@given(st.text())
@example("for=203.0.113.300")
@example("203.0.113.300")
def test_an_error_does_not_show_what_was_given(read: Callable[[str], Address], text: str) -> None:
    try:
        read(text)
    except ValueError as error:
        shown = "".join(traceback.format_exception_only(error))
    else:
        shown = ""
    assert "300" not in shown
