"""The dashboard's routes in OpenAPI."""

from shared.http.openapi import JSON_TYPE, Json, error, ref

DIGEST = "0123456789abcdef"


def cached(description: str) -> Json:
    return {
        "Cache-Control": {
            "description": description,
            "required": True,
            "schema": {"type": "string"},
        }
    }


PAGE: Json = {
    "tags": ["dashboard"],
    "summary": "The dashboard",
    "description": "One page for people. It holds no number: it asks the routes of this document, "
    "with the key that its reader has typed in where `API_AUTH` is set. So the page needs none.",
    "security": [],
    "responses": {
        "200": {
            "description": "The page.",
            "headers": cached("`no-cache`: asked again each time, and answered `304` if unchanged.")
            | {
                "Content-Security-Policy": {
                    "description": "What the page may load, and that it may post to ingestion.",
                    "required": True,
                    "schema": {"type": "string"},
                }
            },
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        "304": {"description": "As it was when the `If-None-Match` was given."},
    },
}
FILE: Json = {
    "tags": ["dashboard"],
    "summary": "The dashboard's files",
    "description": "Scripts, styles, a font. `digest` changes with any of them.",
    "security": [],
    "parameters": [
        {
            "name": "digest",
            "in": "path",
            "required": True,
            "description": "Of the contents of all files; the page names it.",
            "schema": {"type": "string"},
            "example": DIGEST,
        },
        {
            "name": "name",
            "in": "path",
            "required": True,
            "description": "Which file.",
            "schema": {"type": "string"},
            "example": "scripts/main.js",
        },
    ],
    "responses": {
        "200": {
            "description": "The file, compressed where the client takes gzip.",
            "headers": cached("For a year: other contents have another address."),
            "content": {"text/javascript": {"schema": {"type": "string"}}},
        },
        "404": {
            "description": "No such file, or one of another version.",
            "content": {
                JSON_TYPE: {
                    "schema": ref("Error"),
                    "examples": {
                        "not_found": error(
                            "Of another version",
                            "not_found",
                            "The requested URL was not found on the server. If you entered the URL "
                            "manually please check your spelling and try again.",
                            path={"digest": DIGEST, "name": "scripts/main.js"},
                        )
                    },
                }
            },
        },
    },
}
DASHBOARD_TAG: Json = {"name": "dashboard", "description": "The page for people."}
DASHBOARD_OPERATIONS: dict[str, Json] = {
    "/": {"get": PAGE},
    "/assets/{digest}/{name}": {"get": FILE},
}
