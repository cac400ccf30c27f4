"""What the operations of reporting's OpenAPI document share."""

from typing import Any

from shared.event import MAX_NAME
from shared.http.openapi import KEY_OR_OPEN, RETRY_AFTER, Json, error, refusal

SITE = "site-abc-123"
NAME: Json = {"type": "string", "maxLength": MAX_NAME}


UNAUTHORIZED = refusal(
    "No key or a wrong one; only with `API_AUTH` set.",
    unauthorized=error("No key", "unauthorized", "a valid API key is required"),
)
DATABASE_AWAY: Json = {
    "database_unavailable": error(
        "The database is away",
        "database_unavailable",
        "the database is unavailable: (2003, \"Can't connect to MySQL server on 'db' "
        '([Errno 111] Connection refused)")',
    ),
    "not_migrated": error(
        "It has no tables", "not_migrated", "the database has no tables yet; run `make migrate`"
    ),
}
REDIS_AWAY: Json = {
    "queue_unavailable": error(
        "Redis is away",
        "queue_unavailable",
        "redis://127.0.0.1:6379/0: Error 111 connecting to 127.0.0.1:6379. Connection refused.",
    )
}
# Of what asks both and no table.
UNREACHABLE = {"database_unavailable": DATABASE_AWAY["database_unavailable"], **REDIS_AWAY}


def away(examples: Json) -> Json:
    return refusal("For now; try again after `Retry-After`.", headers=RETRY_AFTER, **examples)


def unknown_parameter(name: str, hint: str, **known: str) -> Json:
    message = f"unknown parameter {name}; {hint}"
    return error(
        "A parameter it does not know",
        "unknown_parameter",
        message,
        name,
        query={**known, name: "x"},
    )


def bad(summary: str, code: str, message: str, field: str | None, **asked: str | list[str]) -> Json:
    return error(summary, code, message, field, query={"site_id": SITE, **asked})


def read(tag: str, summary: str, description: str, answers: Json, **more: Any) -> Json:
    """A GET operation that asks for the key and needs the database."""
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "security": KEY_OR_OPEN,
        **more,
        "responses": {**answers, "401": UNAUTHORIZED, "503": away(DATABASE_AWAY)},
    }


NO_PARAMETERS = refusal(
    "Bad parameters.", unknown_parameter=unknown_parameter("page", "this route takes none")
)
