"""The dictionary of users: a small number for each user of a site, for ever the same.

Numbers of a site are handed out under the lock on its row of `sites`, one after the other, so that
the bitmaps made of them stay dense.
"""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select

from shared.db.driver_rows import fetch_by_keys, insert_tuples
from shared.db.tables import sites, users

User = tuple[str, str]  # site_id, user_id

LABEL = "/* worker.users */"


def numbers_of(connection: Connection, wanted: Iterable[User]) -> dict[User, int]:
    """The number of each user, given to those who have none yet. Their sites must be locked."""
    missing = set(wanted)
    numbers = fetch_numbers(connection, sorted(missing))
    missing -= numbers.keys()
    if missing:
        numbers |= add_users(connection, sorted(missing))
    return numbers


def fetch_numbers(connection: Connection, wanted: list[User]) -> dict[User, int]:
    columns = (users.c.site_id, users.c.user_id, users.c.number)
    rows = fetch_by_keys(connection, columns, columns[:2], wanted, LABEL)
    return {(site_id, user_id): number for site_id, user_id, number in rows}


def add_users(connection: Connection, new: list[User]) -> dict[User, int]:
    of_site: dict[str, list[str]] = defaultdict(list)
    for site_id, user_id in new:
        of_site[site_id].append(user_id)
    taken = select(sites.c.site_id, sites.c.users).where(sites.c.site_id.in_(of_site))
    numbers = {
        (site_id, user_id): number
        for site_id, first in connection.execute(taken.prefix_with(LABEL))
        for number, user_id in enumerate(of_site[site_id], first)
    }
    insert_tuples(
        connection,
        users.insert().prefix_with(LABEL),
        [(*user, number) for user, number in numbers.items()],
    )
    connection.execute(
        sites.update()
        .prefix_with(LABEL)
        .where(sites.c.site_id == bindparam("of_site"))
        .values(users=sites.c.users + bindparam("added")),
        [{"of_site": site_id, "added": len(user_ids)} for site_id, user_ids in of_site.items()],
    )
    return numbers
