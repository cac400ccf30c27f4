"""One portion of the sites and days, compared within the snapshot of a connection."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection

from shared.clock import DAY_MS, WEEK_MS
from shared.counts.rollups import (
    DAYS,
    EVENT_ROLLUPS,
    HOURS,
    TOTAL,
    USER_ROLLUPS,
    WEEKS,
    bucket_start,
)
from shared.counts.sparse import Kept
from shared.db.tables import users
from worker.stored.extent import Covered, fetch_pruned_of
from worker.verify.check import Check
from worker.verify.check_segments import (
    Held,
    SegmentCheck,
    check_pruned,
    segments_of,
    those_in_force,
)
from worker.verify.findings import Findings, place
from worker.verify.pending import Waiting, count_pending
from worker.verify.portion import Portion
from worker.verify.recount import Counts, Key, Members, Recount, add_page, pages_of_events
from worker.verify.sparse import fetch_sparse

T = TypeVar("T")


@dataclass
class Stored:
    """What of a portion was read that more than one table is compared with."""

    days: Counts
    users_of_days: Members
    held: list[Held]
    waiting: Waiting

    def since(self, start: int, end: int) -> "Stored":
        """Of the days from `start` up to `end`."""
        return Stored(
            between(self.days, start, end),
            between(self.users_of_days, start, end),
            [one for one in self.held if one.segment.bucket >= start],
            self.waiting,
        )

    def found_days(self, start: int, end: int) -> set[tuple[str, int]]:
        """site_id and day of all there is from `start` up to `end`."""
        found = {(cell[0], cell[1]) for cells in (self.days, self.users_of_days) for cell in cells}
        found |= {(one.site_id, one.segment.bucket) for one in self.held}
        found |= self.waiting.events.keys()
        return {(site_id, at - at % DAY_MS) for site_id, at in found if start <= at < end}


def check_portion(
    connection: Connection, portion: Portion, findings: Findings, covered: Covered
) -> None:
    """Compare it, but for days of which events may be pruned: sites that keep theirs for another
    time apart, of which there are few kinds."""
    pruned_before = fetch_pruned_of(connection, portion.sites)
    by_moment: dict[int, list[str]] = defaultdict(list)
    for site_id in portion.sites:
        # None of its days is left out where all of these are later, nor one compared where earlier.
        by_moment[max(portion.start, min(pruned_before[site_id], portion.end))].append(site_id)
    for since, sites in by_moment.items():
        some = replace(portion, sites=tuple(sites))
        last = max(pruned_before[site_id] for site_id in sites)
        check_since(connection, some, since, last, findings, covered)


def check_since(
    connection: Connection,
    portion: Portion,
    since: int,
    pruned_before: int,
    findings: Findings,
    covered: Covered,
) -> None:
    """Compare what is from `since` on."""
    weeks = portion.weeks
    check = Check(connection, portion, findings)
    span = (min(portion.start, weeks[0]), max(portion.end, weeks[1]))
    stored = Stored(
        check.events_in(DAYS.events, *span),
        check.users_in(DAYS.users, DAY_MS, *span),
        segments_of(connection, portion),
        count_pending(connection, portion, since, findings),
    )
    check_pruned(connection, [one for one in stored.held if one.segment.bucket < since], findings)
    for _, day in stored.found_days(portion.start, since):
        covered.leave_out(day, pruned_before)
    if since < portion.end:
        rest = replace(portion, start=since)
        check_days(connection, rest, stored.since(since, portion.end), findings, covered)
    check_weeks(check, *weeks, stored.since(*weeks))


def check_weeks(check: Check, first: int, until: int, stored: Stored) -> None:
    """A week is its days added up, also where their events are pruned. Both get what is merged in
    one transaction."""
    counts: Counts = defaultdict(int)
    for cell, number in stored.days.items():
        counts[in_week(cell)] += number
    check.check_events(WEEKS.events, check.events_in(WEEKS.events, first, until), counts)
    sets: Members = {}
    for cell, members in stored.users_of_days.items():
        week = in_week(cell)
        sets[week] = members | sets[week] if week in sets else members
    found = check.users_in(WEEKS.users, WEEK_MS, first, until)
    check.check_users(WEEKS.users, found, sets)


def check_days(
    connection: Connection, portion: Portion, stored: Stored, findings: Findings, covered: Covered
) -> None:
    span = (portion.start, portion.end)
    recount, pending = Recount(), stored.waiting.recount
    check = Check(connection, portion, findings, (pending, recount))
    hours = check.events_in(HOURS.events, *span)
    held = those_in_force(stored.held, events_by_hour(hours, stored.waiting))
    of_segments = SegmentCheck(connection, held, findings)
    for page in pages_of_events(connection, portion):
        add_page(recount, page)
        of_segments.add(page)
    of_segments.end()
    sparse = fetch_sparse(connection, portion, stored.days)
    read = {HOURS.events: hours, DAYS.events: stored.days}
    for rollup in EVENT_ROLLUPS:
        found = read.pop(rollup.table, None)
        if found is None:
            found = check.events_in(rollup.table, *span)
        counts = (
            sparse.expected(counted.counts_of(rollup), Kept.has_events, rollup.bucket_ms)
            for counted in (recount, pending)
        )
        check.check_events(rollup.table, sparse.found(found), *counts)
    for table, bucket_ms in USER_ROLLUPS:
        is_read = table is DAYS.users
        members = stored.users_of_days if is_read else check.users_in(table, bucket_ms, *span)
        sets = (
            sparse.expected(counted.users_by(bucket_ms), Kept.has_users, bucket_ms)
            for counted in (recount, pending)
        )
        check.check_users(table, sparse.found(members), *sets)
    check.check_texts()
    for site_id, day, user_id in sorted(recount.unnumbered):
        where = place(site_id, day, user_id=user_id)
        findings.add(users.name, where, "a number", "none that can be")
    covered.add(recount.events, recount.days() | stored.found_days(*span))


def events_by_hour(hours: Counts, waiting: Waiting) -> Mapping[tuple[str, int], int]:
    """By site_id and hour, those in the rollups and those that are still to be merged into them."""
    found = Counter(waiting.events)
    for (site_id, hour, dimension, *_), number in hours.items():
        if dimension == TOTAL:
            found[site_id, hour] += number
    return found


def in_week(cell: Key) -> Key:
    site_id, day, dimension, key, event_type = cell
    return site_id, bucket_start(day, WEEK_MS), dimension, key, event_type


def between(cells: Mapping[Key, T], start: int, end: int) -> dict[Key, T]:
    return {cell: value for cell, value in cells.items() if start <= cell[1] < end}
