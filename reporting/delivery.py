"""How an answer goes out: JSON or CSV, how long it may be kept, and a tag to ask again with."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Response, jsonify, request

from reporting.query import Query

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


def table_response(answer: Mapping[str, Any], rows: str) -> Response:
    """The answer as JSON, or the list that it has under `rows` as CSV, as the caller asked."""
    response = csv_response(answer[rows]) if wants_csv() else jsonify(answer)
    response.vary.add("Accept")
    return response


def wants_csv() -> bool:
    """`format` decides, then the Accept header."""
    asked = request.args.get("format")
    if asked:
        return asked == "csv"
    return request.accept_mimetypes.best_match(["application/json", CSV]) == CSV


def csv_response(rows: Iterable[Mapping[str, Any]]) -> Response:
    """One line a row, named in the first; RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text)
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow(map(harmless, row.values()))
    return Response(text.getvalue(), content_type=f"{CSV}; charset=utf-8")


def harmless(value: object) -> object:
    """A text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value
