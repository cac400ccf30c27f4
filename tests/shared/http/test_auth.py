import pytest

from shared.http.auth import caller_of, key_given
from shared.keys.keys import EVERYTHING, NO_KEYS, Key, Kind, digest_of, make_key


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
    caller = caller_of(key_given(header), "key", NO_KEYS, 0)
    assert caller is (EVERYTHING if allowed else None)


def test_a_key_that_was_made_lets_in_until_it_ends() -> None:
    key_id, text = make_key()
    key = Key(key_id, Kind.READ, ("a",), expires_at=1000)
    keys = {digest_of(text): key}
    for header in (text, f"Bearer {text}"):
        assert caller_of(key_given(header), "root", keys, 999) == key
        assert caller_of(key_given(header), "root", keys, 1000) is None
    assert caller_of(text[:-1], "root", keys, 0) is None
    assert caller_of(digest_of(text), "root", keys, 0) is None
    assert caller_of(make_key()[1], "root", keys, 0) is None
