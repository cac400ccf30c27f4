"""The sites that somebody has registered, in the database: who wants to know at the door reads what
is published of them; see shared/sites/published.py.

Of a name that two sites would have, one was first: each is a row of `site_names`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from shared.db.database import KnownKey, translated_errors
from shared.db.tables import site_names, site_settings
from shared.errors import InvalidInput
from shared.sites.erasures import ask_erasure
from shared.sites.settings import (
    SiteSettings,
    check_site_id,
    decode_settings,
    encode_over,
    encode_settings,
    names_of,
    settings_from,
)

LABEL = "/* sites */"


class StoredSite(NamedTuple):
    """Times are in ms. `revision` is higher by one after each change."""

    site_id: str
    created_at: int
    changed_at: int
    revision: int
    settings: SiteSettings


def create_site(engine: Engine, site_id: str, given: Mapping[str, Any], now: int) -> StoredSite:
    """Register a site. Raises InvalidInput, also where its name is taken, and Unavailable."""
    settings = settings_from(given)
    created = StoredSite(check_site_id(site_id), now, now, 1, settings)
    with translated_errors(), engine.begin() as connection:
        if find_site(connection, site_id) is not None:
            raise site_known(site_id)
        take_names(connection, site_id, names_of(site_id, settings))
        row = created._replace(settings=encode_settings(settings).decode())  # type: ignore[arg-type]
        connection.execute(insert(site_settings).prefix_with(LABEL), row._asdict())
    return created


def change_site(
    engine: Engine,
    site_id: str,
    given: Mapping[str, Any],
    now: int,
    seen_revision: int | None = None,
) -> StoredSite:
    """Change what is given, and leave the rest. Raises InvalidInput, also where the site has
    changed since it was seen, and Unavailable."""
    of = site_settings.c
    with translated_errors(), engine.begin() as connection:
        row = find_row(connection, site_id, for_update=True)
        if row is None:
            raise unregistered(site_id)
        before = site_from(row)
        if seen_revision is not None and seen_revision != before.revision:
            raise changed_meanwhile(site_id, before.revision)
        settings = settings_from(given, before.settings)
        changed = before._replace(changed_at=now, revision=before.revision + 1, settings=settings)
        dropped = set(before.settings.aliases).difference(names_of(site_id, settings))
        leave_names(connection, sorted(dropped))
        added = set(settings.aliases).difference(names_of(site_id, before.settings))
        take_names(connection, site_id, sorted(added))
        connection.execute(
            update(site_settings)
            .prefix_with(LABEL)
            .where(of.site_id == site_id)
            .values(
                changed_at=now,
                revision=changed.revision,
                settings=encode_over(settings, row.settings).decode(),
            )
        )
    return changed


def delete_site(engine: Engine, site_id: str) -> StoredSite:
    """Forget what is set for a site, and that it is registered; its events stay for as long as
    MAX_AGE says. Raises InvalidInput and Unavailable."""
    with translated_errors(), engine.begin() as connection:
        site = known_site(connection, site_id, for_update=True)
        forget_site(connection, site_id)
    return site


def erase_site(engine: Engine, site_id: str, now: int) -> None:
    """The same of a site that may not be registered, and let all its events be deleted. `now` is in
    ms. Raises InvalidInput and Unavailable."""
    with translated_errors(), engine.begin() as connection:
        ask_erasure(connection, site_id, now)
        forget_site(connection, site_id)


def forget_site(connection: Connection, site_id: str) -> None:
    for table in (site_names, site_settings):
        row = delete(table).prefix_with(LABEL).where(table.c["site_id"] == site_id)
        connection.execute(row)


def known_site(connection: Connection, site_id: str, *, for_update: bool = False) -> StoredSite:
    """Raises InvalidInput where nobody has registered it."""
    site = find_site(connection, site_id, for_update=for_update)
    if site is None:
        raise unregistered(site_id)
    return site


def find_site(
    connection: Connection, site_id: str, *, for_update: bool = False
) -> StoredSite | None:
    row = find_row(connection, site_id, for_update=for_update)
    return None if row is None else site_from(row)


def find_row(connection: Connection, site_id: str, *, for_update: bool = False) -> Any:
    statement = select(site_settings).prefix_with(LABEL).where(site_settings.c.site_id == site_id)
    if for_update:
        statement = statement.with_for_update()
    return connection.execute(statement).first()


def fetch_sites(
    connection: Connection, after: str = "", most: int | None = None, only: Sequence[str] = ()
) -> list[StoredSite]:
    """All of them, by their ids; or those `after` one, at `most` so many, `only` of these."""
    of = site_settings.c
    statement = select(site_settings).prefix_with(LABEL).order_by(of.site_id).limit(most)
    if after:
        statement = statement.where(of.site_id > after)
    if only:
        statement = statement.where(of.site_id.in_(only))
    return [site_from(row) for row in connection.execute(statement)]


def fetch_stamp(connection: Connection) -> str:
    """Another text after each change of any of them, unless two sites that are made and deleted
    within one millisecond leave as many changes."""
    of = site_settings.c
    statement = select(func.count(), func.sum(of.revision), func.sum(of.changed_at))
    numbers = connection.execute(statement.prefix_with(LABEL)).one()
    return "-".join(str(int(number or 0)) for number in numbers)


def site_from(row: Any) -> StoredSite:
    return StoredSite(*row)._replace(settings=decode_settings(row.settings))


def take_names(connection: Connection, site_id: str, names: Iterable[str]) -> None:
    """Raises InvalidInput where one is another site's."""
    for name in names:
        try:
            with translated_errors():
                connection.execute(
                    insert(site_names).prefix_with(LABEL), {"name": name, "site_id": site_id}
                )
        except KnownKey as error:
            raise name_taken(name, "site_id" if name == site_id else "aliases") from error


def site_known(site_id: str) -> InvalidInput:
    sentence = f"{site_id} is registered: change what is set for it"
    return InvalidInput("known_site", sentence, field="site_id", status=409)


def unregistered(site_id: str) -> InvalidInput:
    sentence = f"{site_id} is not registered: register it first"
    return InvalidInput("unknown_site", sentence, field="site_id", status=404)


def changed_meanwhile(site_id: str, revision: int) -> InvalidInput:
    sentence = f"{site_id} has changed meanwhile, to its revision {revision}: look at it again"
    return InvalidInput("changed_meanwhile", sentence, field="revision", status=409)


def name_taken(name: str, field: str = "aliases") -> InvalidInput:
    sentence = f"{name!r} is a name of another site: the list of sites shows whose"
    return InvalidInput("name_taken", sentence, field=field, status=409)


def leave_names(connection: Connection, names: Iterable[str]) -> None:
    names = list(names)
    if names:
        connection.execute(
            delete(site_names).prefix_with(LABEL).where(site_names.c.name.in_(names))
        )
