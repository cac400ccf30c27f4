"""What a route is. How it is served and described all follows from its one definition.

To add a route, write a module in `reporting/answers/` with the struct of its answer, the function
that fetches it, and its Route, and list that in `reporting/http/routes.py`; a parameter that is new
is declared in `reporting/ask/parameters.py`. The tests ask every example in the description.

Why no library: apispec describes, beside whatever parses; flask-openapi3 rests on pydantic;
spectree checks a query against a model, and answers whatever is wrong with it in one way. Here each
refusal has its own code and sentence, and its example is what the parser itself raises.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import wraps
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Connection, Engine

from reporting.ask.parameter import Asked, Parameter
from shared.db.database import translated_errors
from shared.http.openapi import error
from shared.keys.keys import Kind
from shared.queue.event_queue import EventQueue
from shared.settings import Settings

Q = TypeVar("Q")
A = TypeVar("A")


class Kept(Enum):
    """For how long whoever asked may keep an answer."""

    NEVER = 0
    UNSAID = 1
    LIKE_THE_RANGE = 2  # until events are added to it; the query has an `end`


class Table(NamedTuple):
    """What can be had as CSV, too: the answer's member that is a list, and what is in it."""

    rows: str
    row: type[msgspec.Struct]


class Example(NamedTuple):
    """An answer, and what asks for it besides what the route requires; None: it is not told."""

    name: str
    summary: str
    value: object
    asked: Mapping[str, Any] | None = {}


def failure(
    summary: str,
    code: str,
    message: str,
    field: str | None = None,
    asked: Mapping[str, Any] | None = {},
) -> Example:
    """The example of an error answer."""
    return Example(code, summary, error(summary, code, message, field)["value"], asked)


@dataclass(frozen=True)
class Sources:
    """What answers are made from.

    `ledger` and `replica` are for what is answered at once, or not at all: the one where all that
    is committed is seen at once, the other, if `engine` reads a replica, the same as that.
    """

    engine: Engine
    queue: EventQueue
    ledger: Engine
    replica: Engine | None = None
    # What the service was started with: /doctor looks at it.
    settings: Settings = field(default_factory=Settings)
    started_at: float = field(default_factory=time.monotonic)

    @property
    def status(self) -> Engine:
        """What `engine` reads, for what is answered at once."""
        return self.replica or self.ledger

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        for engine in filter(None, (self.engine, self.ledger, self.replica)):
            engine.dispose()
        self.queue.close()


NO_DATABASE = failure(
    "The database is away",
    "database_unavailable",
    "the database is unavailable: (2003, \"Can't connect to MySQL server on 'db' "
    '([Errno 111] Connection refused)")',
)
NO_TABLES = failure(
    "It lacks a table or a column",
    "not_migrated",
    "the database is not up to date: no such table: events; run `make migrate`",
)
DATABASE_FAULTS = (NO_DATABASE, NO_TABLES)
NO_REDIS = failure(
    "Redis is away",
    "queue_unavailable",
    "redis://127.0.0.1:6379/0: Error 111 connecting to 127.0.0.1:6379. Connection refused.",
)


def moment_of(_: Asked, now: int) -> Any:
    """The query of a route that is asked nothing."""
    return now


@dataclass(frozen=True)
class Route(Generic[Q]):
    """One GET route. Its paths after the first are other names for it.

    `query` makes an object of what is asked and of the time in ms, `answer` the answer to that: its
    return type is the schema. The first of `examples` is the curl. `wrong` are queries that are
    refused for no single parameter, by what is wrong with them; `refusals` and `faults` are what is
    found out later, and answered with 400 and 503.
    """

    paths: tuple[str, ...]
    summary: str
    description: str
    answer: Callable[[Sources, Q], Any]
    examples: tuple[Example, ...]
    parameters: tuple[Parameter[Any], ...] = ()
    query: Callable[[Asked, int], Q] = moment_of
    kept: Kept = Kept.NEVER
    table: Table | None = None
    wrong: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refusals: tuple[Example, ...] = ()
    faults: tuple[Example, ...] = DATABASE_FAULTS
    # Whoever has a key of some sites only is answered of these.
    shows_own: bool = False
    # Of a public site it is answered to whoever has no key: it names no user and no session.
    is_public: bool = False
    # Of which kind a key has to be.
    needs: Kind = Kind.READ
    # It tells how things stand, and waits behind no question.
    is_status: bool = False


def from_database(fetch: Callable[[Connection, Q], A]) -> Callable[[Sources, Q], A]:
    """An answer from one snapshot of the database. Raises Unavailable."""

    @wraps(fetch)
    def answer(sources: Sources, query: Q) -> A:
        with translated_errors(), sources.engine.begin() as connection:
            return fetch(connection, query)

    return answer
