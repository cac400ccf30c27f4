"""Where changes are written: the one engine of reporting that may, which no question can reach."""

from collections.abc import Sequence
from functools import cached_property

from sqlalchemy import Engine

from shared.db.database import writing_engine
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.sites.publishing import tell_ingestion

# A change is a few rows; where a site's are locked, whoever waits is told so.
STATEMENT_SECONDS = 10


class Desk:
    """Connects to nothing until something is asked of it; threads share it."""

    def __init__(self, settings: Settings, queue: EventQueue, reading: Engine) -> None:
        self.settings = settings
        self.queue = queue
        # For what is only read, of where it is written: on SQLite whoever may write waits for who
        # does.
        self.reading = reading

    @cached_property
    def engine(self) -> Engine:
        return writing_engine(self.settings, STATEMENT_SECONDS)

    def tell(self, *, is_left: bool = False) -> Sequence[str]:
        """Let ingestion know what was changed just now; where a site `is_left`, it goes on as one
        that nobody has registered. Returns what whoever changed it should know."""
        later = tell_ingestion(self.queue, self.reading, self.settings.max_sites, is_left=is_left)
        return [] if later is None else [later]

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        if "engine" in self.__dict__:
            self.engine.dispose()
