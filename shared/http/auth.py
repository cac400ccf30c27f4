"""Who asks: `Authorization: <key>` or `Bearer <key>`, of `API_AUTH` or of a key made for it."""

import hmac

from shared.keys.keys import EVERYTHING, PREFIX, Key, Keys, held


def key_given(header: str | None) -> str:
    """The key in a header; empty where there is none."""
    given = (header or "").strip()
    return given[7:].strip() if given[:7].lower() == "bearer " else given


def is_same(given: str, key: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())


def caller_of(given: str, api_auth: str, keys: Keys, now: int) -> Key | None:
    """What whoever gives this key may do; None where it is none. `now` is in ms."""
    if is_same(given, api_auth):
        return EVERYTHING
    return held(keys, given, now) if given.startswith(PREFIX) else None
