"""How the numbers of each site are told, and which are public: what questions go by that do not say
it themselves. It is read within KNOWN_SECONDS of a change, and by no question of its own.
"""

from collections.abc import Mapping, Sequence

from flask import request
from sqlalchemy import Connection, Engine

from reporting.ask import parameters as by
from reporting.http.book import Book
from reporting.http.seats import Seats
from reporting.route import Route
from shared.db.database import translated_errors
from shared.keys.keys import Key, Kind
from shared.sites.settings import NOTHING_SET, Sites, SiteSettings
from shared.sites.stored import fetch_sites, fetch_stamp
from shared.zones import MONDAY, WEEK_STARTS

# Of those that /sites lists to whoever has no key; each of the others is found by its id.
MOST_LISTED = 1000


class SiteBook(Book):
    """What is set for sites. Where none of its databases has told that at once, a question waits
    for it as for its answer: in one of its `seats`, over the engine of `questions`."""

    def __init__(self, engines: Sequence[Engine], questions: Engine, seats: Seats) -> None:
        super().__init__(engines)
        self.questions = questions
        self.seats = seats
        self.stamp = ""
        self.sites: Sites = {}
        self.public: frozenset[str] = frozenset()
        self.listed: tuple[str, ...] = ()

    def fill(self, connection: Connection) -> None:
        stamp = fetch_stamp(connection)
        if stamp == self.stamp:
            return
        stored = fetch_sites(connection)
        self.sites = {site.site_id: told for site in stored if (told := told_by(site.settings))}
        public = [site.site_id for site in stored if site.settings.public]
        self.public, self.listed = frozenset(public), tuple(public[:MOST_LISTED])
        self.stamp = stamp

    def settings_of(self, site_id: str) -> SiteSettings:
        """How it is told. Raises Unavailable where nobody knows yet: in another zone a day has
        other numbers."""
        self.look()
        if not self.is_known:
            with self.seats.taken(), translated_errors(), self.questions.begin() as connection:
                self.fill(connection)
            self.is_known = True
        return self.sites.get(site_id, NOTHING_SET)

    def visitor(self, public_routes: Mapping[str, Route[object]]) -> Key | None:
        """What may be asked without a key: the numbers of the public sites that the request names,
        or which these are; None where it is anything else, or nobody knows yet which are."""
        route = public_routes.get(request.endpoint or "")
        if route is None or any(request.args.getlist(by.UNIQUE_ID.name)):
            return None
        named = tuple(filter(None, request.args.getlist(by.SITE.name)))
        self.look()
        if not (self.public.issuperset(named) if named else route.shows_own):
            return None
        sites = named or self.listed
        return Key("", Kind.READ, sites) if sites else None


def told_by(settings: SiteSettings) -> SiteSettings | None:
    """Only what questions go by; None where that is nothing."""
    week_start = settings.week_start
    if week_start not in WEEK_STARTS:  # a later version's
        week_start = MONDAY
    told = SiteSettings(time_zone=settings.time_zone, week_start=week_start)
    return None if told == NOTHING_SET else told
