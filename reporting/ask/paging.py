"""Lists that come in parts: how many at a time, and where to go on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reporting.ask import parameters as by
from reporting.ask.parameter import Asked

# Before all names, none of which is empty.
FIRST = ""


@dataclass(frozen=True)
class Page:
    """The first `limit` names after one, in the order of their UTF-8."""

    after: str
    limit: int

    def cut(self, names: Iterable[str]) -> tuple[list[str], bool]:
        """Those of names that are on it, and whether more follow."""
        rest = sorted(name for name in names if name > self.after)
        return rest[: self.limit], len(rest) > self.limit


def page_from(asked: Asked) -> Page:
    return Page(asked[by.CURSOR] or FIRST, asked[by.PAGE_LIMIT])


@dataclass(frozen=True)
class SitesQuery:
    """Which sites: one, or those of a page."""

    site_id: str | None
    page: Page
    # If any, none but these.
    only: Sequence[str] = ()


def sites_query(asked: Asked, _now: int) -> SitesQuery:
    return SitesQuery(asked[by.ANY_SITE], page_from(asked), asked.only)
