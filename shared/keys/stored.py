"""Keys in the database. What ingestion goes by is published of them: shared/sites/publishing.py."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, func, insert, select, update

from shared.db.database import translated_errors
from shared.db.tables import api_keys, site_names
from shared.errors import InvalidInput
from shared.fields import MAX_NAME
from shared.keys.keys import Key, Keys, Kind, digest_of, make_key
from shared.setting_parsers import UNPRINTABLE

LABEL = "/* keys */"
# Of one key: each event that is posted with it is held against them.
MOST_SITES = 100
MOST_EVENTS_PER_DAY = 1_000_000_000
# How much earlier a use may be known than it was: each is written down.
USED_AGAIN_MS = 60_000

of = api_keys.c


class StoredKey(NamedTuple):
    """Times are in ms. Of the key itself there is only its digest."""

    key_id: str
    digest: str
    kind: Kind
    sites: tuple[str, ...]
    name: str
    created_at: int
    changed_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    successor: str | None
    events_per_day: int | None

    @property
    def key(self) -> Key:
        return Key(self.key_id, self.kind, self.sites, self.expires_at, self.events_per_day)


def create_key(
    engine: Engine,
    kind: Kind,
    sites: Iterable[str],
    name: str,
    expires_at: int | None,
    now: int,
    events_per_day: int | None = None,
) -> tuple[StoredKey, str]:
    """A new one, and the text of it, which nobody can be told again. Raises InvalidInput and
    Unavailable."""
    its_sites = checked_sites(sites)
    its_name = checked(name, "name") if name else ""
    if expires_at is not None and expires_at <= now:
        raise over_already("expires")
    with translated_errors(), engine.begin() as connection:
        refuse_other_names(connection, its_sites)
        return add_key(connection, kind, its_sites, its_name, expires_at, now, events_per_day)


def add_key(
    connection: Connection,
    kind: Kind,
    sites: tuple[str, ...],
    name: str,
    expires_at: int | None,
    now: int,
    events_per_day: int | None,
) -> tuple[StoredKey, str]:
    key_id, text = make_key()
    made = StoredKey(
        key_id,
        digest_of(text),
        kind,
        sites,
        name,
        created_at=now,
        changed_at=now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
        successor=None,
        events_per_day=events_per_day,
    )
    row = made._asdict() | {"sites": msgspec.json.encode(sites).decode()}
    connection.execute(insert(api_keys).prefix_with(LABEL), row)
    return made, text


def rotate_key(engine: Engine, key_id: str, until: int, now: int) -> tuple[StoredKey, str]:
    """Another one like it; this one holds `until` then (ms), or until it would have ended. Raises
    InvalidInput and Unavailable."""
    with translated_errors(), engine.begin() as connection:
        before = known_key(connection, key_id, for_update=True)
        if before.revoked_at is not None or (before.expires_at or now + 1) <= now:
            raise dead_key(key_id)
        if before.successor is not None:
            raise rotated_key(key_id, before.successor)
        end = until if before.expires_at is None else min(until, before.expires_at)
        new = add_key(
            connection,
            before.kind,
            before.sites,
            before.name,
            before.expires_at,
            now,
            before.events_per_day,
        )
        change(connection, key_id, now, {"expires_at": end, "successor": new[0].key_id})
        return new


def revoke_key(engine: Engine, key_id: str, now: int) -> StoredKey:
    """Let it hold no more. Raises InvalidInput and Unavailable."""
    with translated_errors(), engine.begin() as connection:
        before = known_key(connection, key_id, for_update=True)
        if before.revoked_at is None:
            change(connection, key_id, now, {"revoked_at": now})
        return known_key(connection, key_id)


def change(connection: Connection, key_id: str, now: int, values: Mapping[str, Any]) -> None:
    row = update(api_keys).prefix_with(LABEL).where(of.key_id == key_id)
    connection.execute(row.values(changed_at=now, **values))


def known_key(connection: Connection, key_id: str, *, for_update: bool = False) -> StoredKey:
    """Raises InvalidInput where there is none."""
    statement = select(api_keys).prefix_with(LABEL).where(of.key_id == key_id)
    row = connection.execute(statement.with_for_update() if for_update else statement).first()
    if row is None:
        raise no_such_key(key_id)
    return key_from(row)


def over_already(field: str) -> InvalidInput:
    return InvalidInput("bad_expiry", f"{field} is over already", field=field)


def bad_name(name: str) -> InvalidInput:
    sentence = f"{name} must be a text of at most {MAX_NAME} characters that can be printed"
    return InvalidInput("bad_name", sentence, field=name)


def other_name(name: str, site_id: str) -> InvalidInput:
    sentence = f"{name} is another name of {site_id}: name that"
    return InvalidInput("other_name", sentence, field="site_id")


def dead_key(key_id: str) -> InvalidInput:
    sentence = f"{key_id} holds no more: create one"
    return InvalidInput("dead_key", sentence, field="key_id", status=409)


def rotated_key(key_id: str, successor: str) -> InvalidInput:
    sentence = f"{key_id} was rotated to {successor}: rotate or revoke that"
    return InvalidInput("rotated_key", sentence, field="key_id", status=409)


def no_such_key(key_id: str) -> InvalidInput:
    sentence = f"there is no key {key_id}: the list of keys shows their ids"
    return InvalidInput("unknown_key", sentence, field="key_id", status=404)


def fetch_keys(connection: Connection) -> list[StoredKey]:
    """All there ever were, in the order in which they were made."""
    statement = select(api_keys).prefix_with(LABEL).order_by(of.created_at, of.key_id)
    return [key_from(row) for row in connection.execute(statement)]


def fetch_good_keys(connection: Connection) -> Keys:
    """Those that were not revoked."""
    return {key.digest: key.key for key in fetch_keys(connection) if key.revoked_at is None}


def fetch_keys_stamp(connection: Connection) -> str:
    """Another text after each change of any of them."""
    statement = select(func.count(), func.sum(of.changed_at)).prefix_with(LABEL)
    number, changed = connection.execute(statement).one()
    return f"{number}-{int(changed or 0)}"


def note_used(engine: Engine, used: Mapping[str, int]) -> None:
    """Write down when keys were used last, by their ids, in ms. Raises Unavailable."""
    if not used:
        return
    with translated_errors(), engine.begin() as connection:
        known = {key.key_id: key.last_used_at for key in fetch_keys(connection)}
        for key_id, at in sorted(used.items()):
            if key_id in known and at >= (known[key_id] or 0) + USED_AGAIN_MS:
                row = update(api_keys).prefix_with(LABEL).where(of.key_id == key_id)
                connection.execute(row.values(last_used_at=at))


def key_from(row: Any) -> StoredKey:
    sites = msgspec.json.decode(row.sites, type=tuple[str, ...])
    return StoredKey(*row)._replace(kind=Kind(row.kind), sites=sites)


def refuse_other_names(connection: Connection, sites: Sequence[str]) -> None:
    """An event under such a name is its site's, for which the key would not be. Raises
    InvalidInput."""
    is_other = site_names.c.name.in_(sites) & (site_names.c.site_id != site_names.c.name)
    row = connection.execute(select(site_names).prefix_with(LABEL).where(is_other)).first()
    if row is not None:
        raise other_name(row.name, row.site_id)


def checked_sites(sites: Iterable[str]) -> tuple[str, ...]:
    different = tuple(dict.fromkeys(checked(site_id, "site_id") for site_id in sites))
    if len(different) > MOST_SITES:
        sentence = f"a key is for at most {MOST_SITES} sites, or for all"
        raise InvalidInput("too_many_sites", sentence, field="site_id")
    return different


def checked(text: str, name: str) -> str:
    if not text.strip() or len(text) > MAX_NAME or UNPRINTABLE.search(text):
        raise bad_name(name)
    return text
