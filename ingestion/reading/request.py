"""What the door reads of a request, whichever server it came through."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from shared.errors import InvalidInput

# Of a query as it is sent: each parameter takes a microsecond, each byte that is no UTF-8 another.
MAX_QUERY = 16 * 1024
MAX_PARAMETERS = 100


class RequestHeaders(Protocol):
    """Headers by their HTTP names in lower case; a dict will do.

    Values are as HTTP has them: a character for each byte, which is Latin-1. Of a header that came
    several times, all are there, joined by commas: the last is the nearest proxy's, the first may
    be anybody's. A name with an underscore is another than the one with a hyphen.
    """

    def get(self, name: str, /) -> str | None: ...


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request. `peer` is the address of its connection, where that has one, with or without
    its port."""

    method: str
    path: str
    # Without the question mark, not decoded, a character for each byte.
    query: str
    headers: RequestHeaders
    peer: str | None
    # At most so many bytes of the body, all of it where it has fewer. Raises InvalidInput.
    read: Callable[[int], bytes]


def utf8_text(value: str) -> str:
    """The bytes of a header or a query, read as the UTF-8 that they mostly are."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def check_query(query: str) -> None:
    """Raises InvalidInput (`too_long`) for one whose reading would take milliseconds."""
    if len(query) > MAX_QUERY:
        raise query_too_long(f"{MAX_QUERY} characters")
    if query.count("&") >= MAX_PARAMETERS:
        raise query_too_long(f"{MAX_PARAMETERS} parameters")


def query_too_long(bound: str) -> InvalidInput:
    return InvalidInput("too_long", f"the query must have at most {bound}", field="query")
