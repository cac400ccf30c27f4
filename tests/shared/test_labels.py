"""Labels of international names: read as the idna package reads them, which takes much longer."""

import random

import idna
import pytest
from ada_url import parse_url
from hypothesis import given
from hypothesis import strategies as st

from shared.labels import MAX_LABEL, readable
from shared.urls import MAX_HOST, MAX_INTERNATIONAL, MAX_LABELS, host_named, page_host

# Scripts that any Python knows whole, and what is allowed in some company only.
SCRIPTS = (
    range(0x61, 0x7B),
    range(0xDF, 0x180),
    range(0x386, 0x3CF),
    range(0x5D0, 0x5EB),
    range(0x620, 0x64B),
    range(0x3041, 0x30FB),
    range(0x4E00, 0x4F00),
    range(0x1F600, 0x1F610),
    range(0x20000, 0x20100),
)
IN_COMPANY = "l\u03b1\u00b7\u0375\u05d0\u05f3\u05f4\u30fb\u0661\u06f1-09"
scripts = st.sampled_from(SCRIPTS).flatmap(lambda script: st.sampled_from([*map(chr, script)]))
letters = scripts | st.sampled_from(IN_COMPANY)


def as_idna_has_it(label: str) -> str:
    try:
        return idna.ulabel(label) if label.startswith("xn--") else label
    except UnicodeError:
        return label


@given(st.text(letters, min_size=1, max_size=9))
def test_a_label_is_read_as_idna_2008_has_it(text: str) -> None:
    try:
        name = parse_url(f"https://{text}/", ("hostname",))["hostname"]
    except ValueError:
        return
    for label in name.split("."):
        assert readable(label) == as_idna_has_it(label)


COMPANY = [
    "l·l",
    "a·l",
    "\u0375\u03b1",
    "͵a",
    "\u05d0\u05f3",
    "a\u05f3",
    "ア・a",
    "・a",
    "١٢",
    "١۲",
    "۱۲",
    "a-é",
    "-é",
    "é-",
    "é❤",
]


@pytest.mark.parametrize("text", COMPANY)
def test_what_is_allowed_in_some_company_only(text: str) -> None:
    label = "xn--" + text.encode("punycode").decode()
    assert readable(label) == as_idna_has_it(label)


def test_what_no_name_can_be_is_not_read() -> None:
    long = "é" * (MAX_LABEL + 1)
    assert page_host(f"https://{long}.example/") is None
    assert host_named(long) is None
    in_ascii = (
        "xn--"
        + "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9FFF), k=30)))
        .encode("punycode")
        .decode()
    )
    assert len(in_ascii) > MAX_LABEL
    assert readable(in_ascii) == in_ascii
    assert page_host(f"https://{'é.' * MAX_INTERNATIONAL}example/") is None
    assert page_host(f"https://{'y.' * MAX_INTERNATIONAL}example/") is not None


def test_a_name_of_many_labels_stays_in_ascii() -> None:
    few, many = ("xn--9ca." * count + "example" for count in (MAX_LABELS - 1, MAX_LABELS))
    assert page_host(f"https://{few}/") == "é." * (MAX_LABELS - 1) + "example"
    assert page_host(f"https://{many}/") == many
    wide = "xn--9ca." + "y" * MAX_HOST
    assert (page_host(f"https://{wide}/") or "").startswith("xn--9ca.y")
