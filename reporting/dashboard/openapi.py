"""The dashboard's routes in OpenAPI."""

from shared.http.openapi import Json, error, fixed_header, operation, query, refusal

DIGEST = "0123456789abcdef"


def part(name: str, description: str, example: str) -> Json:
    """A parameter that is a part of the path."""
    place = {"in": "path", "required": True, "example": example}
    return query(name, {"type": "string"}, description) | place


PAGE = operation(
    "dashboard",
    "The dashboard",
    "One page for people. It holds no number: it asks the routes of this document, with the key "
    "that its reader has typed in where `API_AUTH` is set. So the page needs none.",
    {
        "200": {
            "description": "The page.",
            "headers": fixed_header("Cache-Control", "`no-cache`: asked again each time.")
            | fixed_header("Content-Security-Policy", "What the page may load and post to."),
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        "304": {"description": "As it was when the `If-None-Match` was given."},
    },
)
ASSET = operation(
    "dashboard",
    "The dashboard's files",
    "Scripts, styles, a font. `digest` changes with any of them.",
    {
        "200": {
            "description": "The file, compressed where the client takes gzip.",
            "headers": fixed_header("Cache-Control", "A year: what changes changes its address."),
            "content": {"text/javascript": {"schema": {"type": "string"}}},
        },
        "404": refusal(
            "No such file, or one of another version.",
            not_found=error(
                "Of another version",
                "not_found",
                "The requested URL was not found on the server. If you entered the URL manually "
                "please check your spelling and try again.",
                path={"digest": DIGEST, "name": "scripts/main.js"},
            ),
        ),
    },
    parameters=[
        part("digest", "Of the contents of all files; the page names it.", DIGEST),
        part("name", "Which file.", "scripts/main.js"),
    ],
)
SETTINGS = operation(
    "dashboard",
    "The Settings page",
    "One page for people who set what is set: it asks the routes of `settings`, so it needs no key "
    "itself.",
    PAGE["responses"],
)
DASHBOARD_OPERATIONS: Json = {
    "/": PAGE,
    "/settings": SETTINGS,
    "/assets/{digest}/{name}": ASSET,
}
