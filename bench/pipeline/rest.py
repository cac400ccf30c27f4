"""What of a pipeline's events is not done yet, asked of Redis and of the database: the same of each
version, as far as it has it.

A version without `pending_counts` has counted what it has stored; what it leaves to its periodic
process are the rows of `recent_users`.
"""

from typing import NamedTuple

import redis
from sqlalchemy import inspect

from bench.against.storing import BATCHES, BUFFER
from shared.db.database import make_engine
from shared.settings import Settings

UNMERGED = "SELECT /* bench.rest */ COUNT(*), COALESCE(SUM(events), 0) FROM pending_counts"
# Asked often, so it must cost next to nothing however much there is.
IS_UNMERGED = "SELECT /* bench.rest */ EXISTS (SELECT 1 FROM pending_counts)"
IS_UNCOMPACTED = "SELECT /* bench.rest */ EXISTS (SELECT 1 FROM recent_users)"
EVENTS = "SELECT /* bench.rest */ COUNT(*) FROM events"
# Cheap enough to be asked while it runs.
STORED = "SELECT /* bench.rest */ COALESCE(SUM(events), 0) FROM outcomes WHERE outcome = 'stored'"
SEGMENTS = "SELECT /* bench.rest */ COUNT(*) FROM segments"
# Of RQ, which deletes a periodic job once it is done.
JOBS = "rq:job:*"


class Unmerged(NamedTuple):
    rows: int = 0
    events: int = 0


class Rest:
    """Asks when it is asked. Close it at the end."""

    def __init__(self, client: "redis.Redis", database_url: str) -> None:
        self.client = client
        self.engine = make_engine(Settings(database_url=database_url))
        self.tables = frozenset(inspect(self.engine).get_table_names())

    def queued(self) -> int:
        return int(self.client.llen(BUFFER))

    def is_stored(self) -> bool:
        """Whether nothing waits, and no worker holds anything."""
        return self.queued() == 0 and self.client.zcard(BATCHES) == 0

    @property
    def merges(self) -> bool:
        return "pending_counts" in self.tables

    def unmerged(self) -> Unmerged:
        """How much no rollup knows of."""
        return Unmerged(*self.ask(UNMERGED)) if self.merges else Unmerged()

    def is_merged(self) -> bool:
        return not (self.merges and self.ask(IS_UNMERGED)[0])

    def is_counted(self) -> bool:
        """Whether nothing is left that answers have to add up."""
        is_behind = "recent_users" in self.tables and self.ask(IS_UNCOMPACTED)[0]
        return self.is_merged() and not is_behind

    def has_jobs(self) -> bool:
        return any(True for _ in self.client.scan_iter(JOBS, count=1000))

    def stored(self) -> int:
        """As the outcomes tell it."""
        return self.ask(STORED)[0]

    def events(self) -> int:
        return self.ask(EVENTS)[0]

    def segments(self) -> int:
        return self.ask(SEGMENTS)[0]

    def ask(self, statement: str) -> tuple[int, ...]:
        with self.engine.connect() as connection:
            return tuple(int(value) for value in connection.exec_driver_sql(statement).one())

    def close(self) -> None:
        self.engine.dispose()
        self.client.close()
