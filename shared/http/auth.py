"""Who asks: `Authorization: <key>` or `Bearer <key>`, of `API_AUTH` or of a key made for it."""

import hmac

from shared.keys.keys import EVERYTHING, PREFIX, Key, Keys, key_of

# Of headers that were found good, so that the digest of each is made once.
MOST_SEEN = 1000


class Callers:
    """Who may ask, as long as these keys are all there are. Threads share it."""

    def __init__(self, api_auth: str, keys: Keys) -> None:
        self.api_auth = api_auth
        self.keys = keys
        self.seen: dict[str | None, Key] = {}

    def find(self, header: str | None, now: int) -> Key | None:
        """What whoever sends this header may do; None where it has no key, or one that is over.
        `now` is in ms."""
        key = self.seen.get(header)
        if key is None:
            key = self.look_up(key_given(header))
            if key is None:
                return None
            if len(self.seen) < MOST_SEEN:
                self.seen[header] = key
        return None if key.is_over(now) else key

    def look_up(self, given: str) -> Key | None:
        if is_same(given, self.api_auth):
            return EVERYTHING
        return key_of(self.keys, given) if given.startswith(PREFIX) else None


def key_given(header: str | None) -> str:
    """The key in a header; empty where there is none."""
    given = (header or "").strip()
    return given[7:].strip() if given[:7].lower() == "bearer " else given


def is_same(given: str, key: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())
