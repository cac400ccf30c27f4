"""Which page an event is about: a path without query or fragment, and the campaign that led there."""

from urllib.parse import parse_qsl, urlsplit

from shared.errors import InvalidInput
from shared.event import MAX_NAME, MAX_TEXT

ABSOLUTE = ("http://", "https://")


def path_from(page: str) -> str | None:
    """The path of a URL or path, as it was written: not decoded, not lowered. Empty is None.

    Raises InvalidInput (`too_long`) past MAX_TEXT characters.
    """
    if not page:
        return None
    if page[:8].lower().startswith(ABSOLUTE):
        page = page.split("/", 3)[3] if page.count("/") > 2 else ""
        page = "/" + page
    path = page.partition("#")[0].partition("?")[0] or "/"
    if len(path) > MAX_TEXT:
        raise InvalidInput(
            "too_long", f"path must have at most {MAX_TEXT} characters", field="path"
        )
    return path


def campaign_from(page: str) -> dict[str, str]:
    """The `utm_*` parameters of a page's query string, each cut to MAX_NAME characters."""
    query = page.partition("?")[2].partition("#")[0]
    if "utm_" not in query:
        return {}
    pairs = parse_qsl(query, max_num_fields=None)
    return {name: value[:MAX_NAME] for name, value in pairs if name.startswith("utm_") and value}


def site_path_of(url: str) -> str | None:
    """The path of a `Referer` header: the page that showed the pixel."""
    return urlsplit(url).path or "/" if url.startswith(ABSOLUTE) else None
