"""How an answer goes out: JSON or CSV, how long it may be kept, and a tag to ask again with."""

import csv
import io
from typing import Any

import msgspec
from flask import Response, request

from reporting.ask.parameter import Asked
from reporting.ask.parameters import FORMAT
from reporting.route import Kept, Route, Table
from shared.http.openapi import JSON_TYPE, fixed_header

# A range that is still open changes with every event, one that has ended only by late ones.
OPEN_SECONDS = 5
ENDED_SECONDS = 3600
CSV = "text/csv"
# What spreadsheets take for the beginning of a formula; anybody can post such a path.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

HEADERS = {
    Kept.UNSAID: {},
    Kept.NEVER: fixed_header(
        "Cache-Control", "The answer is another one the next moment.", example="no-store"
    ),
    Kept.LIKE_THE_RANGE: fixed_header(
        "Cache-Control",
        "Seconds are the answer good for: few while the range goes on, an hour once it has ended, "
        "for events may still come late.",
    )
    | fixed_header(
        "ETag", "Sent back as `If-None-Match`, it is answered `304` while nothing changed."
    ),
}


def response_of(route: Route[Any], asked: Asked, answer: Any) -> Response:
    """The answer as JSON, or its table as CSV, as the caller asked."""
    if route.table is not None and wants_csv(asked):
        text = csv_text(answer, route.table)
        response = Response(text, content_type=f"{CSV}; charset=utf-8")
    else:
        response = Response(msgspec.json.encode(answer) + b"\n", content_type=JSON_TYPE)
    if route.table is not None:
        response.vary.add("Accept")
    return response


def wants_csv(asked: Asked) -> bool:
    """`format` decides, then the Accept header."""
    if asked[FORMAT]:
        return asked[FORMAT] == "csv"
    return request.accept_mimetypes.best_match([JSON_TYPE, CSV]) == CSV


def csv_text(answer: Any, table: Table) -> str:
    """One line a row, after one that names the columns; RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.row.__struct_fields__)
    for row in getattr(answer, table.rows):
        writer.writerow(map(harmless, msgspec.structs.astuple(row)))
    return text.getvalue()


def harmless(value: object) -> object:
    """A text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


def finished(response: Response, kept: Kept, query: Any, now: int) -> Response:
    """With its caching headers; 304 where the client has it already. `now` is in ms."""
    response.vary.add("Authorization")
    if kept is Kept.NEVER:
        response.headers["Cache-Control"] = "no-store"
    if kept is Kept.LIKE_THE_RANGE:
        seconds = ENDED_SECONDS if query.end <= now else OPEN_SECONDS
        response.headers["Cache-Control"] = f"private, max-age={seconds}"
        response.add_etag()
        response.make_conditional(request)
    return response
