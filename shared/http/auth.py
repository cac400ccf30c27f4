"""The one check of `API_AUTH`: `Authorization: <key>` or `Bearer <key>`."""

import hmac


def is_authorised(header: str | None, key: str) -> bool:
    """Whether the header carries the key, compared in constant time; an empty key lets all in."""
    if not key:
        return True
    given = (header or "").strip()
    if given[:7].lower() == "bearer ":
        given = given[7:].strip()
    return hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())
