"""Keys that callers have: what one looks like, who may do what with it, and for how long.

A key is shown once, when it is made; what is kept of it is its SHA-256. It has 190 random bits,
which nobody guesses, so that neither salt nor a slow digest would add anything.
"""

import hashlib
import secrets
import string
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from shared.errors import InvalidInput, Unavailable

# By which tools that look for secrets know it.
PREFIX = "ff_"
ALPHABET = string.digits + string.ascii_letters
ID_LENGTH, SECRET_LENGTH = 8, 32


class Kind(StrEnum):
    """What it is for."""

    INGEST = "ingest"  # to post events
    READ = "read"  # to ask for numbers
    ADMIN = "admin"  # both, and whatever changes how they come about


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whatever a caller may do. `sites` are those it is for, all where there are none; it holds
    until `expires_at`, in ms, and brings at most `events_per_day`, in UTC."""

    key_id: str
    kind: Kind
    sites: tuple[str, ...] = ()
    expires_at: int | None = None
    events_per_day: int | None = None

    def is_over(self, now: int) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def may(self, kind: Kind) -> bool:
        return self.kind is kind or self.kind is Kind.ADMIN


# Those that hold, or will have, by their digests.
Keys = Mapping[str, Key]
NO_KEYS: Keys = {}

# Whoever has the key of API_AUTH.
EVERYTHING = Key("", Kind.ADMIN)


def make_key() -> tuple[str, str]:
    """Its id, and the key itself."""
    key_id, secret = random_text(ID_LENGTH), random_text(SECRET_LENGTH)
    return key_id, f"{PREFIX}{key_id}_{secret}"


def random_text(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def key_of(keys: Keys, given: str) -> Key | None:
    """What this key is for, also when it is over; None where it is none. It is found by its digest,
    so that how long that takes tells nothing of others."""
    return keys.get(digest_of(given))


def unauthorized() -> InvalidInput:
    return InvalidInput("unauthorized", "a valid API key is required", status=401)


def keys_unknown() -> Unavailable:
    return Unavailable("keys_unknown", "it is not known yet which API keys there are")


def wrong_kind(key: Key, needed: Kind) -> InvalidInput:
    kinds = " or ".join(dict.fromkeys((needed, Kind.ADMIN)))
    sentence = f"this key is of the kind {key.kind}, and this takes {kinds}"
    return InvalidInput("wrong_key", sentence, status=403)


def other_site(sites: Sequence[str], site_id: str) -> InvalidInput:
    sentence = f"site_id {site_id} is not one of this key's: {', '.join(sites)}"
    return InvalidInput("other_site", sentence, field="site_id", status=403)


def all_sites(sites: Sequence[str]) -> InvalidInput:
    sentence = f"this tells of all sites, and the key is for {', '.join(sites)} only"
    return InvalidInput("other_site", sentence, field="site_id", status=403)
