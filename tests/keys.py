"""Keys whose text is known."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert

from shared.db.tables import api_keys
from shared.keys.keys import Kind, digest_of


def add_row(
    connection: Connection,
    text: str,
    kind: Kind,
    sites: Sequence[str] = (),
    *,
    now: int,
    expires_at: int | None = None,
    revoked_at: int | None = None,
    key_id: str = "",
    name: str = "",
    successor: str | None = None,
) -> None:
    """Let there be this key; its id is how its text begins, unless it is given."""
    row = {
        "key_id": key_id or text[:16],
        "digest": digest_of(text),
        "kind": kind,
        "sites": msgspec.json.encode(sites).decode(),
        "name": name,
        "created_at": now,
        "changed_at": now,
        "expires_at": expires_at,
        "revoked_at": revoked_at,
        "successor": successor,
    }
    connection.execute(insert(api_keys), row)
