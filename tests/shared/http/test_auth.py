import pytest

from shared.http import auth
from shared.http.auth import Callers
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
    callers = Callers("key", NO_KEYS)
    for _ in range(2):
        assert callers.find(header, 0) is (EVERYTHING if allowed else None)


def test_a_key_that_was_made_lets_in_until_it_ends() -> None:
    key_id, text = make_key()
    key = Key(key_id, Kind.READ, ("a",), expires_at=1000)
    callers = Callers("root", {digest_of(text): key})
    for header in (text, f"Bearer {text}"):
        assert callers.find(header, 999) == key
        assert callers.find(header, 1000) is None
        assert callers.find(header, 999) == key
    for wrong in (text[:-1], digest_of(text), make_key()[1], key_id):
        assert callers.find(wrong, 0) is None


def test_no_more_headers_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "MOST_SEEN", 2)
    callers = Callers("root", NO_KEYS)
    for spaces in range(5):
        assert callers.find(" " * spaces + "root", 0) is EVERYTHING
        assert callers.find(f"wrong{spaces}", 0) is None
    assert len(callers.seen) == 2
