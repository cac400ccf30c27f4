"""Whether a browser fetches ahead what nobody may ever look at: a link it guesses will be followed.

It says so in a header: Chromium in Sec-Purpose (`prefetch;prerender`), WebKit in X-Purpose or
Purpose (`preview`, `prefetch`), Firefox in X-Moz until it took Sec-Purpose as well.
"""

from ingestion.reading.request import RequestHeaders

# The reason under which it is dropped.
PREFETCH = "prefetch"
NAMES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
PURPOSES = frozenset({"prefetch", "prerender", "preview"})


def is_fetched_ahead(headers: RequestHeaders) -> bool:
    """Whether any of these headers says so, whatever parameters follow."""
    for name in NAMES:
        value = headers.get(name)
        if value and not PURPOSES.isdisjoint(words_in(value)):
            return True
    return False


def words_in(value: str) -> list[str]:
    """The words of a header: `prefetch;prerender, x` has three."""
    return value.lower().replace(";", " ").replace(",", " ").split()
