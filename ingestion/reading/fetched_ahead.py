"""Whether a browser fetches ahead what nobody may ever look at: a link it guesses will be followed.

It says so in a header: Chromium in Sec-Purpose (`prefetch;prerender`), WebKit in X-Purpose or
Purpose (`preview`, `prefetch`), Firefox in X-Moz until it took Sec-Purpose as well.
"""

from ingestion.reading.request import RequestHeaders

# The reason under which it is dropped.
PREFETCH = "prefetch"
PURPOSES = frozenset({"prefetch", "prerender", "preview"})


def is_fetched_ahead(headers: RequestHeaders) -> bool:
    """Whether the first of these headers that is there says so, whatever parameters follow."""
    of = headers.get
    value = of("sec-purpose") or of("purpose") or of("x-purpose") or of("x-moz")
    return value is not None and not PURPOSES.isdisjoint(words_in(value))


def words_in(value: str) -> list[str]:
    """The words of a header: `prefetch;prerender, x` has three."""
    return value.lower().replace(";", " ").replace(",", " ").split()
