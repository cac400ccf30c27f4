"""The script for websites described."""

from ingestion.protocols.described import TEXT, operation
from ingestion.tracker.routes import NEWEST_CACHING, USUAL_PATH, VERSION_CACHING, VERSIONS
from shared.http.openapi import Json, header, same_as


def script(summary: str, description: str, caching: str) -> Json:
    headers = {
        "Cache-Control": header(caching, "How long it may be kept."),
        "Access-Control-Allow-Origin": header("*", "Any page may load it."),
    }
    found = {
        "description": "The script, in less than 2 kB where `gzip` is accepted.",
        "headers": headers,
        "content": {"text/javascript": {"schema": TEXT}},
    }
    kept = {"description": "What `If-None-Match` names is still the script."}
    return operation(summary, description, {"200": found, "304": kept}, security=[])


NEWEST_ONE = (
    '`<script defer src="…/tracker.js" data-site="example.com"></script>` counts page views, also '
    "of a page that changes its path without loading, and offers "
    '`footfall("signup", {plan: "pro"})`. It is the newest version.'
)
THIS_ONE = "Never changes: for pages that name its digest in `integrity`."


def tracker_paths(own_path: str = "") -> Json:
    """`own_path` is a further one of an installation's own; empty: there is none."""
    newest = script("The script for websites", NEWEST_ONE, NEWEST_CACHING)
    versions = {
        f"/tracker.v{version}.js": {
            "get": script(f"Version {version} of the script", THIS_ONE, VERSION_CACHING)
        }
        for version in VERSIONS
    }
    own = {own_path: {"get": same_as(USUAL_PATH, newest)}} if own_path else {}
    return {USUAL_PATH: {"get": newest}, **own, **versions}
