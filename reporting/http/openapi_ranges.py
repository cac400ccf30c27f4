"""What the routes that answer for a range of days share in OpenAPI: parameters, errors, headers."""

from reporting.ask.parameters import DEFAULT_LIMIT, MAX_LIMIT
from reporting.ask.query import FILTERS, FORMATS
from reporting.http.openapi_parts import (
    DATABASE_AWAY,
    NAME,
    SITE,
    away,
    bad,
)
from reporting.http.openapi_schemas import DATE
from shared.fields import MAX_NAME, MAX_TEXT
from shared.http.openapi import Json, answer, error, example, query

KEPT: Json = {
    "Cache-Control": {
        "description": "Seconds are the answer good for: few while the range goes on, an hour once "
        "it has ended, for events may still come late.",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Sent back as `If-None-Match`, it is answered `304` while nothing changed.",
        "required": True,
        "schema": {"type": "string"},
    },
}
UNCHANGED: Json = {"304": {"description": "As it was when the `If-None-Match` was given."}}

RANGE_PARAMETERS: list[Json] = [
    query("date", DATE, "One day. Without it and without a range: today."),
    query("from", DATE, "The first day of a range, in place of `date`."),
    query("to", DATE, "The last day of a range, included. Without it: today."),
    query(
        "tz",
        {"type": "string", "default": "UTC"},
        "Where days begin, as an IANA name such as `Europe/Berlin`.",
    ),
    query(
        "event_type",
        NAME,
        "Narrows views and users to one type; `all` counts every type. Without it, views are of "
        "`page_view` and users of all types.",
    ),
    *(
        query(
            name,
            {"type": "string", "maxLength": MAX_TEXT},
            f"Only events with this value of `{name}`, exactly.",
        )
        for name in FILTERS
    ),
]
LIMIT: Json = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
FORMAT = query(
    "format",
    {"enum": list(FORMATS), "default": "json"},
    "`csv` for a spreadsheet, as `Accept: text/csv` does. A text that a spreadsheet would take for "
    "a formula has an apostrophe before it.",
)


def site_and(first: list[Json], examples: dict[str, str]) -> list[Json]:
    """The site, the parameters of the route, then those of the range; with these examples."""
    site = query("site_id", NAME, "Which site.", required=True, example=SITE)
    return [
        {**parameter, "example": examples[parameter["name"]]}
        if parameter["name"] in examples
        else parameter
        for parameter in [site, *first, *RANGE_PARAMETERS]
    ]


def asked(**parameters: str) -> Json:
    """The request of an example."""
    return {"query": {"site_id": SITE} | {k.rstrip("_"): v for k, v in parameters.items()}}


BAD_RANGE: dict[str, Json] = {
    "missing_field": error("No site", "missing_field", "site_id required", "site_id", query={}),
    "bad_date": bad(
        "No date",
        "bad_date",
        "date must be a date as YYYY-MM-DD, from 1970-01-01 on",
        "date",
        date="2025-02-30",
    ),
    "bad_range": bad(
        "The end before the start",
        "bad_range",
        "from (2025-11-16) is after to (2025-11-15)",
        "from",
        **{"from": "2025-11-16", "to": "2025-11-15"},
    ),
    "bad_timezone": bad(
        "No such zone",
        "bad_timezone",
        "tz must be an IANA time zone, for example Europe/Berlin",
        "tz",
        tz="Mars/Olympus",
    ),
    "repeated_parameter": bad(
        "A parameter given twice",
        "repeated_parameter",
        "date is given twice",
        "date",
        date=["2025-11-15", "2025-11-16"],
    ),
    "too_long": error(
        "A name over its bound",
        "too_long",
        f"site_id must have at most {MAX_NAME} characters",
        "site_id",
    ),
    "pruned": bad(
        "Half an hour of which the events are gone",
        "pruned",
        "events before 2024-01-01 were deleted (MAX_AGE); of earlier days, ask for whole UTC "
        "hours, days or more, with one filter at most",
        "date",
        date="2023-11-15",
        tz="Asia/Kolkata",
    ),
}
TOO_SLOW = bad(
    "Counted from the events for too long",
    "too_slow",
    "the answer takes longer than QUERY_SECONDS: ask for a shorter range or fewer filters",
    field=None,
    date="2025-11-15",
    path="/pricing",
    device="mobile",
)
AWAY_OR_SLOW = away(DATABASE_AWAY | {"too_slow": TOO_SLOW})
NEEDS_DIMENSION: Json = {"dimension": "path"}


def bad_of(route: Json) -> dict[str, Json]:
    """The errors of a range, in requests that have what the route requires besides."""
    return {name: with_query(described, route) for name, described in BAD_RANGE.items()}


def with_query(described: Json, more: Json) -> Json:
    """An example whose request, where it has one, asks for more."""
    if "x-request" not in described:
        return described
    return described | {"x-request": {"query": more | described["x-request"]["query"]}}


BAD_LIMIT = bad(
    "Too many", "bad_limit", f"limit must be a whole number from 1 to {MAX_LIMIT}", "limit",
    limit="5000", dimension="path",
)  # fmt: skip
BAD_FORMAT = bad("No such format", "bad_format", "format must be one of json, csv", "format",
                 format="xml", dimension="path")  # fmt: skip


def without_dimension(described: Json) -> Json:
    """The same request to a route that knows no dimension."""
    kept = {k: v for k, v in described["x-request"]["query"].items() if k != "dimension"}
    return described | {"x-request": {"query": kept}}


def table_answer(description: str, schema: str, examples: Json, csv: str, request: Json) -> Json:
    """An answer as JSON, and as CSV where that is asked for."""
    described = answer(description, schema, examples, headers=KEPT)
    described["content"]["text/csv"] = {
        "schema": {"type": "string"},
        "examples": {"csv": example("As CSV", csv, request)},
    }
    return described
