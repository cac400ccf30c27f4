"""The one check of `API_AUTH`: `Authorization: <key>` or `Bearer <key>`."""

import hmac


def is_authorised(header: str | None, key: str) -> bool:
    """Whether the header carries the key, compared in constant time; an empty key lets all in."""
    if not key:
        return True
    given = (header or "").strip()
    if given[:7].lower() == "bearer ":
        given = given[7:].strip()
    # WSGI hands a header's bytes over as Latin-1; they are UTF-8 as typed into a terminal.
    return hmac.compare_digest(given.encode("latin-1", "replace"), key.encode())
