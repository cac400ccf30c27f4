"""The most viewed of very many values, chosen by the database.

Of a site without popular pages nearly all values have as many views as the last that is told, and
their texts decide. A process has no room for hundreds of thousands of them, for four questions at a
time; a database keeps as many as are asked for while it sorts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from reporting.ask.query import Query
from reporting.count.cover import Cover
from reporting.count.prepared import fetch
from reporting.count.rollup_statements import (
    ViewsOf,
    chunks,
    select_most_viewed,
    select_value_views,
)
from shared.counts.rollups import LEVELS

# Of so many values the views are added up in the process, which takes less time.
FEW_VALUES = 20_000
# That are looked up at a time: each time, the whole range is read.
CHUNK_KEYS = 1000


def parts_of(query: Query, dimension: str, cover: Cover) -> list[ViewsOf]:
    """All that the rollups know of a cover, as much of it as a statement takes in each."""
    return [
        ViewsOf(level.events, query.site_id, dimension, query.views_type, some)
        for level, spans in zip(LEVELS, cover.levels, strict=True)
        for some in chunks(spans)
    ]


def fetch_few(connection: Connection, parts: Sequence[ViewsOf]) -> Counter[bytes] | None:
    """The views of every value; None where these are too many."""
    views: Counter[bytes] = Counter()
    for part in parts:
        for key, number in fetch(connection, select_value_views, *part, None, FEW_VALUES + 1):
            views[key] += int(number)
        if len(views) > FEW_VALUES:
            return None
    return views


def fetch_most(
    connection: Connection,
    parts: Sequence[ViewsOf],
    limit: int,
    more: Mapping[bytes, int],
    texts: Mapping[bytes, str],
) -> Counter[str]:
    """Views of the `limit` most viewed values, equal ones by text, and of some others.

    `more` has the views that some values have besides, with their `texts`: only here is it known
    how these rank, so all of them are told. The database is asked for that many more, for they may
    stand there in the place of others.
    """
    counted = fetch_views(connection, parts, list(more))
    found = Counter({texts[key]: number + counted[key] for key, number in more.items()})
    for row in connection.execute(select_most_viewed(parts, limit + len(more))):
        if row.value_key not in more:
            found[row.value] = int(row.views)
    return found


def fetch_views(
    connection: Connection, parts: Sequence[ViewsOf], keys: Sequence[bytes]
) -> Counter[bytes]:
    """Of these values."""
    views: Counter[bytes] = Counter()
    for first in range(0, len(keys), CHUNK_KEYS):
        some = keys[first : first + CHUNK_KEYS]
        for part in parts:
            for key, number in fetch(connection, select_value_views, *part, some):
                views[key] += int(number)
    return views
