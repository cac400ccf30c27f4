"""The script for websites described, and how visitors without a name are told apart."""

from ingestion.tracker.routes import NEWEST, NEWEST_CACHING, VERSION_CACHING
from ingestion.visitor.visitors import HASHED, PARAMETER
from shared.http.openapi import Json, query

USERS = query(
    PARAMETER,
    {"type": "string", "enum": [HASHED]},
    "Give events that name no user the visitor of this request: a keyed digest of site, address "
    "and user agent, the same for a UTC day. The address is not kept, and the key is gone a day "
    "later. Without it, an event without `user_id` is nobody's.",
)


def fixed_header(value: str, description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}, "example": value}


def script(summary: str, description: str, caching: str) -> Json:
    return {
        "tags": ["events"],
        "summary": summary,
        "description": description,
        "security": [],
        "responses": {
            "200": {
                "description": "The script, in less than 2 kB where `gzip` is accepted.",
                "headers": {
                    "Cache-Control": fixed_header(caching, "How long it may be kept."),
                    "Access-Control-Allow-Origin": fixed_header("*", "Any page may load it."),
                },
                "content": {"text/javascript": {"schema": {"type": "string"}}},
            },
            "304": {"description": "What `If-None-Match` names is still the script."},
        },
    }


TRACKER_PATHS: Json = {
    "/tracker.js": {
        "get": script(
            "The script for websites",
            '`<script defer src="…/tracker.js" data-site="example.com"></script>` counts page '
            "views, also of a page that changes its path without loading, and offers "
            '`footfall("signup", {plan: "pro"})`. It is the newest version.',
            NEWEST_CACHING,
        )
    },
    f"/tracker.v{NEWEST}.js": {
        "get": script(
            f"Version {NEWEST} of the script",
            "Never changes: for pages that name its digest in `integrity`.",
            VERSION_CACHING,
        )
    },
}
