"""What is told of a key: everything but itself."""

from collections.abc import Sequence

import msgspec

from shared.clock import iso_from_ms
from shared.keys.keys import Kind
from shared.keys.stored import StoredKey
from shared.settings import Settings

NOT_ASKED = {
    Kind.READ: "reporting asks nobody for a key until API_AUTH is set",
    Kind.INGEST: "ingestion asks nobody for a key until API_AUTH is set, and INGEST_AUTH=true",
}


class ToldKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was made for a caller; `sites` are those it is for, all where there are none."""

    key_id: str
    kind: Kind
    sites: tuple[str, ...]
    name: str
    events_per_day: int | None
    # The id of the key that it was rotated to.
    successor: str | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


def told_key(key: StoredKey) -> ToldKey:
    return ToldKey(
        key_id=key.key_id,
        kind=key.kind,
        sites=key.sites,
        name=key.name,
        events_per_day=key.events_per_day,
        successor=key.successor,
        created_at=iso_from_ms(key.created_at),
        expires_at=iso_or_none(key.expires_at),
        revoked_at=iso_or_none(key.revoked_at),
        last_used_at=iso_or_none(key.last_used_at),
    )


def iso_or_none(at: int | None) -> str | None:
    return None if at is None else iso_from_ms(at)


def unasked(kind: Kind, settings: Settings) -> Sequence[str]:
    """Where a key of this kind is asked of nobody, in a sentence each."""
    reading = kind is not Kind.INGEST and not settings.api_auth
    posting = kind is Kind.INGEST and not (settings.api_auth and settings.ingest_auth)
    return [NOT_ASKED[Kind.READ]] * reading + [NOT_ASKED[Kind.INGEST]] * posting
