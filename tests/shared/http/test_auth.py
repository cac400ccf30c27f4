import pytest

from shared.http.auth import is_authorised


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("key", True),
        ("Bearer key", True),
        ("BEARER  key ", True),
        ("Bearer Bearer key", False),
        ("Bearer", False),
        ("ke", False),
        ("key2", False),
        ("KEY", False),
        ("", False),
        (None, False),
        ("k\xe9y", False),
        ("\ud800", False),
    ],
)
def test_the_key_is_asked_for_as_it_is_or_after_bearer(header: str | None, allowed: bool) -> None:
    assert is_authorised(header, "key") is allowed


@pytest.mark.parametrize("header", [None, "", "anything"])
def test_no_key_lets_everybody_in(header: str | None) -> None:
    assert is_authorised(header, "")
