"""The same SELECT of many spans in few statements, each span a range of a key of its own.

Joined with OR they are one range to SQLite, from the first to the last, and each row in it is
compared with every span.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam

from reporting.count.cover import Span
from reporting.count.pending_statements import select_pending_extent
from reporting.count.statements import Rows, select_extent
from shared.db.driver_rows import reader_of

# Of one statement; SQLite takes 500 terms.
MOST_SPANS = 100
# Of so many it pays to ask beforehand which of them can have an event.
MANY_SPANS = 200
NUMBER, START, END = (
    bindparam(name, type_=BigInteger, required=False) for name in ("number", "start", "end")
)


def fetch_each(
    connection: Connection, select: Callable[[Any], Rows], site_id: str, spans: Sequence[Span]
) -> Iterator[tuple[Any, ...]]:
    """What `select` answers of each span of a site: when the span starts, then the row."""
    spans = with_events(connection, site_id, spans)
    if not spans:
        return
    statement = select((START, END)).add_columns(NUMBER.label("number"))
    compiled = statement.compile(
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    read = reader_of(connection.dialect, tuple(statement.selected_columns))
    given, names = compiled.params, compiled.positiontup or ()
    for first in range(0, len(spans), MOST_SPANS):
        some = spans[first : first + MOST_SPANS]
        values: list[Any] = []
        for number, (start, end) in enumerate(some):
            its = {**given, NUMBER.key: number, START.key: start, END.key: end}
            values += (its[name] for name in names)
        sql = " UNION ALL ".join(repeat(compiled.string, len(some)))
        for *row, number in read(connection.exec_driver_sql(sql, tuple(values))):
            yield (some[number][0], *row)


def with_events(connection: Connection, site_id: str, spans: Sequence[Span]) -> Sequence[Span]:
    """Of many spans, those between the site's first event and its last one."""
    if len(spans) < MANY_SPANS:
        return spans
    moments = [
        moment
        for statement in (select_extent(site_id), select_pending_extent(site_id))
        for row in connection.execute(statement)
        for moment in row
        if moment is not None
    ]
    if not moments:
        return []
    first, last = min(moments), max(moments)
    return [(start, end) for start, end in spans if start <= last and end > first]
