"""Which page an event is about: its path without query or fragment, and the campaign behind it."""

from urllib.parse import parse_qsl

from shared.errors import InvalidInput
from shared.fields import MAX_NAME, MAX_TEXT
from shared.urls import is_absolute


def path_from(page: str) -> str | None:
    """The path of a URL or path, as it was written: not decoded, not lowered. Empty is None.

    Raises InvalidInput (`too_long`) past MAX_TEXT characters.
    """
    if not page:
        return None
    path = page.partition("#")[0].partition("?")[0]
    if path[:1] != "/" and is_absolute(path):
        path = "/" + path.partition("//")[2].partition("/")[2]
    path = path or "/"
    if len(path) > MAX_TEXT:
        raise InvalidInput(
            "too_long", f"path must have at most {MAX_TEXT} characters", field="path"
        )
    return path


def campaign_from(page: str) -> dict[str, str]:
    """The `utm_*` parameters of a page's query string, each cut to MAX_NAME characters."""
    query = page.partition("#")[0].partition("?")[2]
    if "utm_" not in query:
        return {}
    return {
        name: value[:MAX_NAME]
        for name, value in parse_qsl(query)
        # %00 is a NUL only once it is decoded, and nobody's campaign.
        if name.startswith("utm_") and len(name) <= MAX_NAME and "\0" not in name + value
    }
