"""Rollups, segments or events: the one place that decides where the (same) answer comes from."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from reporting.ask.periods import FIXED_MS
from reporting.ask.query import Query
from reporting.count import from_events, from_rollups, from_segments
from reporting.count.cover import Span, cover_of
from reporting.count.statements import select_pruned_before
from reporting.count.totals import Totals, ValueTotals
from reporting.count.unmerged import Unmerged
from shared.clock import HOUR_MS
from shared.errors import InvalidInput
from shared.fields import COUNTED, EVENT_TYPE


def is_covered(query: Query, dimension: str | None = None, *, with_users: bool = True) -> bool:
    """Whether the rollups hold the answer, broken down by `dimension` if any.

    They know the events of a value by type, and the users of a value or a type, by the hour; not
    those of two values together, nor users by value and type, nor dimensions without rollups.
    """
    together = {name for name, _ in query.filters} | ({dimension} - {None, EVENT_TYPE})
    if not together <= COUNTED:
        return False
    if len(together) > 1 or (len(query.filters) > 0 and dimension == EVENT_TYPE):
        return False
    if together and with_users and query.users_type is not None:
        return False
    # Minutes, and hours that begin at half past, are all edges.
    return query.interval not in FIXED_MS or (
        FIXED_MS[query.interval] == HOUR_MS and query.start % HOUR_MS == 0
    )


def fetch_totals(
    connection: Connection,
    query: Query,
    boundaries: Sequence[int],
    unmerged: Unmerged | None = None,
) -> list[Totals]:
    """Totals of each bucket between `boundaries`; `unmerged` are of a longer time, of an answer
    that asks several times."""
    unmerged = unmerged or from_rollups.unmerged_of(connection, query)
    if is_covered(query) and is_certain(query, unmerged):
        check_not_pruned(connection, query, cover_of(boundaries).edges)
        return from_rollups.fetch_totals(connection, query, boundaries, unmerged)
    check_not_pruned(connection, query, [(query.start, query.end)])
    past = from_segments.fetch_past(connection, query)
    if past.is_worth_it:
        return from_segments.fetch_totals(connection, query, boundaries, past)
    return from_events.fetch_totals(connection, query, boundaries)


def fetch_values(
    connection: Connection,
    query: Query,
    dimension: str,
    unmerged: Unmerged | None = None,
    *,
    with_users: bool = True,
) -> list[ValueTotals]:
    """The most viewed values of a dimension, equal ones by value; their users only if asked for."""
    unmerged = unmerged or from_rollups.unmerged_of(connection, query)
    if is_covered(query, dimension, with_users=with_users) and is_certain(
        query, unmerged, dimension
    ):
        check_not_pruned(connection, query, cover_of((query.start, query.end)).edges)
        return from_rollups.fetch_values(
            connection, query, dimension, unmerged, with_users=with_users
        )
    check_not_pruned(connection, query, [(query.start, query.end)])
    past = from_segments.fetch_past(connection, query)
    if past.is_worth_it:
        return from_segments.fetch_values(connection, query, dimension, past, with_users=with_users)
    return from_events.fetch_values(connection, query, dimension, with_users=with_users)


def is_certain(query: Query, unmerged: Unmerged, dimension: str | None = None) -> bool:
    """Whether what the rollups hold of values is told by `sparse_days`; users count once, however
    often they are found."""
    return (not query.filters and dimension in {None, EVENT_TYPE}) or not unmerged.sparse.are_mixed


def check_not_pruned(connection: Connection, query: Query, needed: Sequence[Span]) -> None:
    """Raises InvalidInput where the answer needs raw events that were deleted for their age."""
    if not needed:
        return
    pruned_before = connection.scalar(select_pruned_before(query.site_id)) or 0
    if needed[0][0] >= pruned_before:
        return
    kept_since = datetime.fromtimestamp(pruned_before / 1000, UTC).date()
    gone = f"events before {kept_since} were deleted for their age"
    uncounted = ({name for name, _ in query.filters} | {query.dimension} - {None}) - COUNTED
    raise InvalidInput(
        "pruned",
        f"{gone}, and {', '.join(sorted(map(str, uncounted)))} is counted from events alone"
        if uncounted
        else f"{gone}; of earlier days, ask for whole UTC hours, days or more, with one filter at "
        "most",
        field="date" if query.first_day == query.last_day else "from",
    )
