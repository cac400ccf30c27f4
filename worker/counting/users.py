"""The dictionary of users: a small number for each user of a site, for ever the same.

A batch gives numbers to those who have none before its own transaction, in short ones: no event is
stored before its user's number. The numbers of a site are taken off a counter, the site's row in
`sites`, a block at a time where a site needs some again and again. Of two who number the same user
one is first, and the other's number stays nobody's: gaps do no harm, and bitmaps stay dense.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import Connection, Engine, update

from shared.db.database import translated_errors
from shared.db.dialects import insert_adding, insert_ignoring_known
from shared.db.driver_rows import fetch_by_keys, insert_tuples
from shared.db.tables import sites, users
from shared.errors import PoisonEvent, Unavailable
from worker.stored.site_rows import FIRST_OF_NONE, LAST_OF_NONE, first_free

User = tuple[str, str]  # site_id, user_id
Numbers = dict[User, int]

LABEL = "/* worker.users */"
# Of one site, taken at a time before anybody needs them.
MOST_TAKEN = 4096
# Whose numbers a process holds.
MOST_SITES = 10_000
ATTEMPTS = 5


class Block(NamedTuple):
    """What is left of numbers of a site that were taken together, and how many these were."""

    left: range
    size: int


class UserNumbers:
    """The numbers that this process has taken and not given yet.

    Each time that a site's are used up, twice as many are taken: so what a process leaves behind is
    no more than it gave.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.held: OrderedDict[str, Block] = OrderedDict()

    def of(self, wanted: Collection[User]) -> Numbers:
        """The number of each user, given to those who have none yet. Raises Unavailable."""
        with translated_errors(), self.engine.begin() as connection:
            known = fetch_numbers(connection, sorted(wanted))
        missing = sorted(set(wanted).difference(known))
        for _ in range(ATTEMPTS):
            if not missing:
                break
            numbered = self.number(missing)
            known |= numbered
            missing = [user for user in missing if user not in numbered]
        if missing:
            raise Unavailable("no_numbers", "the numbers of users are being made anew; try again")
        return known

    def of_misfit(self, user: User) -> Numbers:
        """The number of a user whose name, or whose site's, is longer than its column; of none
        whom the database refuses, for then it refuses the event as well."""
        with suppress(PoisonEvent), translated_errors(), self.engine.begin() as connection:
            known = fetch_numbers(connection, [user])
            if known:
                return known
            given = [(*user, take_numbers(connection, {user[0]: 1})[user[0]].start)]
            insert_tuples(connection, users.insert().prefix_with(LABEL), given)
            return {user: given[0][2]}
        return {}

    def number(self, new: list[User]) -> Numbers:
        """Numbers for users who had none a moment ago; not for those of a site whose numbers begin
        anew, because it was deleted since they were taken. `new` come sorted: two workers must lock
        rows in the same order."""
        of_site = by_site(new)
        self.take({site_id: len(user_ids) for site_id, user_ids in of_site.items()})
        with translated_errors(), self.engine.begin() as connection:
            for site_id, taken in fetch_taken(connection, of_site).items():
                if taken < self.held[site_id].left.stop:
                    del self.held[site_id], of_site[site_id]
            free = {site_id: self.give(site_id, len(new)) for site_id, new in of_site.items()}
            numbers = insert_new(connection, of_site, free)
        self.forget()
        return numbers

    def give(self, site_id: str, number: int) -> range:
        left, size = self.held[site_id]
        self.held[site_id] = Block(left[number:], size)
        return left[:number]

    def take(self, needed: dict[str, int]) -> None:
        """Hold as many numbers of each site as are needed."""
        more: dict[str, int] = {}
        for site_id, number in needed.items():
            held = self.held.pop(site_id, Block(range(0), 0))
            if len(held.left) < number:
                more[site_id] = max(number, min(2 * held.size, MOST_TAKEN))
            self.held[site_id] = held
        if more:
            with translated_errors(), self.engine.begin() as connection:
                taken = take_numbers(connection, more)
            # Not before they are committed: they would be another's as well.
            self.held |= {site_id: Block(free, len(free)) for site_id, free in taken.items()}

    def forget(self) -> None:
        while len(self.held) > MOST_SITES:
            self.held.popitem(last=False)


def numbers_of(connection: Connection, wanted: Iterable[User]) -> Numbers:
    """The number of each user, given to those who have none yet, for one who holds the rows of
    their sites."""
    wanted = set(wanted)
    numbers = fetch_numbers(connection, sorted(wanted))
    of_site = by_site(sorted(wanted.difference(numbers)))
    if not of_site:
        return numbers
    free = take_numbers(connection, {site_id: len(new) for site_id, new in of_site.items()})
    return numbers | insert_new(connection, of_site, free)


def by_site(of: Iterable[User]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for site_id, user_id in of:
        found[site_id].append(user_id)
    return found


def fetch_numbers(connection: Connection, wanted: list[User]) -> Numbers:
    columns = (users.c.site_id, users.c.user_id, users.c.number)
    rows = fetch_by_keys(connection, columns, columns[:2], wanted, LABEL)
    return {(site_id, user_id): number for site_id, user_id, number in rows}


def take_numbers(connection: Connection, needed: dict[str, int]) -> dict[str, range]:
    """Take so many numbers of each site; its row is locked from then on, and made where there is
    none."""
    rows = [
        {
            "site_id": site_id,
            "users": number,
            "first_event": FIRST_OF_NONE,
            "last_event": LAST_OF_NONE,
        }
        for site_id, number in sorted(needed.items())
    ]
    statement = insert_adding(connection, sites, sites.c.users)
    connection.execute(statement.prefix_with(LABEL), rows)
    taken = {}
    for site_id, end in fetch_taken(connection, needed).items():
        number = needed[site_id]
        # Where the row is new, numbers may be left from before.
        first = above_all(connection, site_id) if end == number else end - number
        taken[site_id] = range(first, first + number)
    return taken


def above_all(connection: Connection, site_id: str) -> int:
    """The first number that is above all of a site's users, which its new row knows from now on."""
    free = first_free(connection, site_id)
    if free:
        row = update(sites).prefix_with(LABEL).where(sites.c.site_id == site_id)
        connection.execute(row.values(users=sites.c.users + free))
    return free


def fetch_taken(connection: Connection, site_ids: Collection[str]) -> dict[str, int]:
    """How many numbers of each site are taken; 0 of one without a row."""
    taken = dict.fromkeys(site_ids, 0)
    keys = [(site_id,) for site_id in site_ids]
    columns = (sites.c.site_id, sites.c.users)
    taken.update(fetch_by_keys(connection, columns, columns[:1], keys, LABEL))
    return taken


def insert_new(
    connection: Connection, of_site: dict[str, list[str]], free: dict[str, range]
) -> Numbers:
    """Enter users with the free numbers of their sites; returns their numbers, those of somebody
    else who was first."""
    given = [
        (site_id, user_id, number)
        for site_id, user_ids in of_site.items()
        for user_id, number in zip(user_ids, free[site_id], strict=True)
    ]
    statement = insert_ignoring_known(connection, users).prefix_with(LABEL)
    entered = insert_tuples(connection, statement, given)
    if entered == len(given):
        return {(site_id, user_id): number for site_id, user_id, number in given}
    return fetch_numbers(connection, [(site_id, user_id) for site_id, user_id, _ in given])
