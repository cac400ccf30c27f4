"""The dictionary of users: a small number for each user of a site, for ever the same.

A batch gives numbers to those who have none before its own transaction, in short ones: no event is
stored before its user's number. The numbers of a site are taken off a counter, the site's row in
`sites`, a block at a time where a site needs some again and again. Of two who number the same user
one is first, and the other's number stays nobody's: gaps do no harm, and bitmaps stay dense.

Batches that are stored at the same time mostly share some new user, and wait for each other there.
So what locks a row is followed by its commit, and by nothing that would have to travel first.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import Connection, Engine, update

from shared.db.database import translated_errors
from shared.db.dialects import dialect_of, insert_adding, insert_ignoring_known, insert_keeping
from shared.db.driver_rows import fetch_by_keys, insert_returning, insert_tuples
from shared.db.tables import sites, users
from shared.errors import PoisonEvent, Unavailable
from shared.sites.erasures import Erasure
from worker.stored.site_rows import FIRST_OF_NONE, LAST_OF_NONE, first_free_of

User = tuple[str, str]  # site_id, user_id
Numbers = dict[User, int]
OfSite = dict[str, list[str]]  # site_id -> user_ids

LABEL = "/* worker.users */"
# Of one site, taken at a time before anybody needs them.
MOST_TAKEN = 4096
# Whose numbers a process holds.
MOST_SITES = 10_000
ATTEMPTS = 5
SITE_NUMBERS = (sites.c.site_id, sites.c.users)


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
        # Of sites that are deleted or were, as of the last batch with events of them.
        self.erasures: dict[str, Erasure] = {}

    def begin_anew(self, erasures: Mapping[str, Erasure]) -> None:
        """Give none that was taken before a site was deleted: its numbers begin anew, and are given
        to others."""
        for site_id, erasure in erasures.items():
            if self.erasures.get(site_id) != erasure:
                self.held.pop(site_id, None)
                self.erasures[site_id] = erasure

    def of(self, wanted: Collection[User]) -> Numbers:
        """The number of each user, given to those who have none yet. Raises Unavailable."""
        known: Numbers = {}
        missing = sorted(wanted)
        with translated_errors(), self.engine.connect() as connection:
            for _ in range(ATTEMPTS):
                with connection.begin():
                    known |= fetch_numbers(connection, missing)
                    missing = without(missing, known)
                    taken = take_numbers(connection, self.lacking(by_site(missing)))
                # Not before they are committed: they would be another's as well.
                self.held |= {site_id: Block(free, len(free)) for site_id, free in taken.items()}
                if missing:
                    with connection.begin():
                        known |= self.number(connection, by_site(missing), taken.keys())
                    missing = without(missing, known)
                if not missing:
                    self.forget()
                    return known
        raise Unavailable("no_numbers", "the numbers of users are being made anew; try again")

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

    def lacking(self, new: OfSite) -> dict[str, int]:
        """Of which sites too few numbers are held for their new users, and how many to take."""
        more: dict[str, int] = {}
        for site_id, user_ids in new.items():
            held = self.held.pop(site_id, Block(range(0), 0))
            if len(held.left) < len(user_ids):
                more[site_id] = max(len(user_ids), min(2 * held.size, MOST_TAKEN))
            self.held[site_id] = held  # the last to be forgotten
        return more

    def number(self, connection: Connection, new: OfSite, fresh: Collection[str]) -> Numbers:
        """Give numbers to users who had none a moment ago, and return those that are known then;
        the others are there to be looked up. None are given on a site whose numbers begin anew,
        because it was deleted since they were taken; they were a moment ago on the `fresh` ones."""
        old = [site_id for site_id in new if site_id not in fresh]
        for site_id, taken in fetch_taken(connection, old).items():
            if taken < self.held[site_id].left.stop:
                del self.held[site_id], new[site_id]
        free = {site_id: self.give(site_id, len(user_ids)) for site_id, user_ids in new.items()}
        return insert_new(connection, new, free)

    def give(self, site_id: str, number: int) -> range:
        left, size = self.held[site_id]
        self.held[site_id] = Block(left[number:], size)
        return left[:number]

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
    numbers |= insert_new(connection, of_site, free)
    return numbers | fetch_numbers(connection, without(sorted(wanted), numbers))


def without(wanted: Iterable[User], known: Numbers) -> list[User]:
    return [user for user in wanted if user not in known]


def by_site(of: Iterable[User]) -> OfSite:
    """In the order given. They come sorted: two workers must lock rows in the same order."""
    found: OfSite = defaultdict(list)
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
        (site_id, number, FIRST_OF_NONE, LAST_OF_NONE, 0)
        for site_id, number in sorted(needed.items())
    ]
    statement = insert_adding(connection, sites, sites.c.users).prefix_with(LABEL)
    ends = dict(insert_returning(connection, statement, SITE_NUMBERS, rows, LABEL))
    # Where the row is new, numbers may be left from before.
    new = [site_id for site_id, end in ends.items() if end == needed[site_id]]
    starts = {site_id: end - needed[site_id] for site_id, end in ends.items()}
    starts |= above_all(connection, new)
    return {site_id: range(first, first + needed[site_id]) for site_id, first in starts.items()}


def above_all(connection: Connection, site_ids: list[str]) -> dict[str, int]:
    """The first number of each site that is above all of its users, which its new row knows from
    now on."""
    free = first_free_of(connection, site_ids)
    for site_id, number in free.items():
        row = update(sites).prefix_with(LABEL).where(sites.c.site_id == site_id)
        connection.execute(row.values(users=sites.c.users + number))
    return free


def fetch_taken(connection: Connection, site_ids: Collection[str]) -> dict[str, int]:
    """How many numbers of each site are taken; 0 of one without a row."""
    taken = dict.fromkeys(site_ids, 0)
    keys = [(site_id,) for site_id in site_ids]
    taken.update(fetch_by_keys(connection, SITE_NUMBERS, SITE_NUMBERS[:1], keys, LABEL))
    return taken


def insert_new(connection: Connection, of_site: OfSite, free: dict[str, range]) -> Numbers:
    """Enter users with the free numbers of their sites; returns their numbers, those of somebody
    else who was first. Where the server does not tell these by itself, none are returned if anybody
    was: then they are to be looked up."""
    given = [
        (site_id, user_id, number)
        for site_id, user_ids in of_site.items()
        for user_id, number in zip(user_ids, free[site_id], strict=True)
    ]
    if dialect_of(connection).can_return:
        statement = insert_keeping(connection, users, users.c.number).prefix_with(LABEL)
        given = insert_returning(connection, statement, tuple(users.c), given, LABEL)
    else:
        statement = insert_ignoring_known(connection, users).prefix_with(LABEL)
        if insert_tuples(connection, statement, given) < len(given):
            return {}
    return {(site_id, user_id): number for site_id, user_id, number in given}
