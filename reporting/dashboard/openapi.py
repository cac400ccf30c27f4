"""The dashboard's routes in OpenAPI."""

from shared.http.openapi import Json, error, header, refusal

DIGEST = "0123456789abcdef"


def opened(path: str, summary: str, description: str, answers: Json, *parts: Json) -> Json:
    """A route that asks for no key."""
    described = {"tags": ["dashboard"], "summary": summary, "description": description}
    operation = {**described, "security": [], "parameters": list(parts), "responses": answers}
    return {path: {"get": operation}}


def part(name: str, description: str, example: str) -> Json:
    """A parameter that is a part of the path."""
    described = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    return {**described, "description": description, "example": example}


def text(description: str, media_type: str, headers: Json) -> Json:
    content = {media_type: {"schema": {"type": "string"}}}
    return {"description": description, "headers": headers, "content": content}


DASHBOARD_OPERATIONS = opened(
    "/",
    "The dashboard",
    "One page for people. It holds no number: it asks the routes of this document, with the key "
    "that its reader has typed in where `API_AUTH` is set. So the page needs none.",
    {
        "200": text(
            "The page.",
            "text/html",
            header(
                "Cache-Control",
                "`no-cache`: asked again each time, and answered `304` if unchanged.",
            )
            | header(
                "Content-Security-Policy",
                "What the page may load, and that it may post to ingestion.",
            ),
        ),
        "304": {"description": "As it was when the `If-None-Match` was given."},
    },
) | opened(
    "/assets/{digest}/{name}",
    "The dashboard's files",
    "Scripts, styles, a font. `digest` changes with any of them.",
    {
        "200": text(
            "The file, compressed where the client takes gzip.",
            "text/javascript",
            header("Cache-Control", "For a year: other contents have another address."),
        ),
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
    part("digest", "Of the contents of all files; the page names it.", DIGEST),
    part("name", "Which file.", "scripts/main.js"),
)
