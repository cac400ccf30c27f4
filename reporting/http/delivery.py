"""How an answer goes out: JSON or CSV, how long it may be kept, and a tag to ask again with."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import Response, jsonify, request

from reporting.ask.query import Query

# A range that is still open changes with every event, one that has ended only by late ones.
OPEN_SECONDS = 5
ENDED_SECONDS = 3600
CSV = "text/csv"
# What spreadsheets take for the beginning of a formula; anybody can post such a path.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def delivered(response: Response, query: Query, now: int) -> Response:
    """The answer to a query, with its caching headers; 304 where the client has it already."""
    seconds = ENDED_SECONDS if query.end <= now else OPEN_SECONDS
    response.headers["Cache-Control"] = f"private, max-age={seconds}"
    response.add_etag()
    response.make_conditional(request)
    return response


def table_response(answer: Mapping[str, Any], rows: str, first_column: str) -> Response:
    """The answer as JSON, or the list that it has under `rows` as CSV, as the caller asked."""
    columns = (first_column, "views", "unique_users")
    response = csv_response(answer[rows], columns) if wants_csv() else jsonify(answer)
    response.vary.add("Accept")
    return response


def wants_csv() -> bool:
    """`format` decides, then the Accept header."""
    asked = request.args.get("format")
    if asked:
        return asked == "csv"
    return request.accept_mimetypes.best_match(["application/json", CSV]) == CSV


def csv_response(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Response:
    """One line a row, after one that names the columns; RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(harmless(row[column]) for column in columns)
    return Response(text.getvalue(), content_type=f"{CSV}; charset=utf-8")


def harmless(value: object) -> object:
    """A text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value
