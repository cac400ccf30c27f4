"""Whether the rollups, and what is still to be merged into them, together say what `events` say.

Each portion of the sites and days is compared within one snapshot. So it is right on a live system:
what a batch writes, and what merging moves, is seen as a whole, or not at all.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from shared.db.database import translated_errors
from shared.sites.erasures import Erasure, fetch_erasing
from worker.stored.extent import Covered, Part, find_sites
from worker.verify.check_portion import check_portion
from worker.verify.check_sites import check_outcomes, check_site
from worker.verify.findings import Findings
from worker.verify.portion import MOST_EVENTS, cut


@dataclass
class Verified(Covered):
    """What was compared, and how often the two differ. It may be kept, and gone on with later."""

    # By table.
    found: dict[str, int] = field(default_factory=dict)
    # All sites before this one are compared, and of this one all before the moment.
    reached: tuple[str, int] | None = None

    @property
    def differences(self) -> int:
        return sum(self.found.values())


def verify(
    engine: Engine,
    part: Part,
    *,
    say: Callable[[str], None],
    verified: Verified | None = None,
    is_over: Callable[[Verified], bool] = lambda _: False,
    most: int = MOST_EVENTS,
) -> Verified:
    """Compare a part, or what of it is not `verified` yet, and say what differs. Raises
    Unavailable.

    `most` events are compared within one snapshot, or a site's day. `is_over` is asked after each,
    and may put an end to it. Where the part is all there is, the ledger of outcomes must agree with
    the events, too.
    """
    verified = verified or Verified()
    findings = Findings(say, Counter(verified.found))
    # What is being deleted agrees with nothing.
    known = set(find_sites(engine, part.site_id)) - fetch_erasing_of(engine).keys()
    for portion in cut(engine, sorted(known), part, verified.reached, most):
        with translated_errors(), engine.begin() as connection:
            is_erasing = not fetch_erasing(connection).keys().isdisjoint(portion.sites)
            if not is_erasing:
                check_portion(connection, portion, findings, verified)
        for site_id in portion.sites if portion.is_last else ():
            with translated_errors(), engine.begin() as connection:
                if site_id not in fetch_erasing(connection):
                    check_site(connection, site_id, findings)
        verified.found = dict(findings.found)
        verified.reached = (portion.sites[-1], portion.end)
        if is_over(verified):
            return verified
    if part == Part():
        with translated_errors(), engine.begin() as connection:
            if not fetch_erasing(connection):
                check_outcomes(connection, findings)
    findings.say_how_many_more()
    verified.found = dict(findings.found)
    return verified


def fetch_erasing_of(engine: Engine) -> Mapping[str, Erasure]:
    with translated_errors(), engine.begin() as connection:
        return fetch_erasing(connection)
