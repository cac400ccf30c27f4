"""Which page an event is about: its path without query or fragment, and the campaign behind it."""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from shared.errors import InvalidInput
from shared.fields import MAX_NAME, MAX_TEXT
from shared.urls import is_absolute

# Of those that may be kept; what stands behind them in a query is not read.
MAX_PARAMETERS = 100
# Of one page's parameters; the campaigns that are known have nine, and each takes a microsecond.
MAX_CAMPAIGN = 12
# A character has at most 12: four bytes, three for each. The one that is cut off is not kept.
MAX_ENCODED = 12 * (MAX_NAME + 1)
UTM = re.compile("&(utm_[^&=]*+)=([^&]++)")


def path_from(page: str, kept_parameters: Sequence[str] = ()) -> str | None:
    """The path of a URL or path, as it was written: not decoded, not lowered. Empty is None.

    Of its query, the parameters are kept that tell pages of the site apart, in their own order, if
    they fit.
    Raises InvalidInput (`too_long`) past MAX_TEXT characters.
    """
    if not page:
        return None
    path, _, query = page.partition("#")[0].partition("?")
    if path[:1] != "/" and is_absolute(path):
        path = "/" + path.partition("//")[2].partition("/")[2]
    path = path or "/"
    if query and kept_parameters and (kept := kept_of(query, kept_parameters)):
        with_query = f"{path}?{kept}"
        path = with_query if len(with_query) <= MAX_TEXT else path
    if len(path) > MAX_TEXT:
        raise InvalidInput(
            "too_long", f"path must have at most {MAX_TEXT} characters", field="path"
        )
    return path


def kept_of(query: str, names: Sequence[str]) -> str:
    """These parameters of a query, as they were written; of one that is there twice, the first."""
    found: dict[str, str] = {}
    for pair in query.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        name, _, value = pair.partition("=")
        if value:
            found.setdefault(name, pair)
    return "&".join(found[name] for name in names if name in found)


def campaign_from(page: str) -> dict[str, str]:
    """The `utm_*` parameters of a page's query string, each cut to MAX_NAME characters.

    Only these are read, whatever else the query holds. Raises InvalidInput (`too_long`) past
    MAX_CAMPAIGN of them.
    """
    query = "&" + page.partition("#")[0].partition("?")[2]
    count = query.count("&utm_")
    if count > MAX_CAMPAIGN:
        sentence = f"path must have at most {MAX_CAMPAIGN} utm_ parameters in its query"
        raise InvalidInput("too_long", sentence, field="path")
    if not count:
        return {}
    decoded = ((parameter(name), parameter(value)) for name, value in UTM.findall(query))
    return {
        name: value[:MAX_NAME]
        for name, value in decoded
        # %00 is a NUL only once it is decoded, and nobody's campaign.
        if len(name) <= MAX_NAME and "\0" not in name + value
    }


def parameter(text: str) -> str:
    """A name or value of a query string, decoded as far as anything of it is kept."""
    plain = text[:MAX_ENCODED].replace("+", " ")
    if "%" not in plain:
        return plain
    return unquote_to_bytes(plain.encode("utf-8", "replace")).decode("utf-8", "replace")
