"""Which pages may post from a browser: every origin, or those that CORS_ORIGINS lists.

A page's beacons are sent with credentials, whether it wants or not, and then a browser takes no `*`
for an answer: the origin is named that asks. There is nothing here that a cookie would open.
"""

import re
from functools import lru_cache

Headers = list[tuple[str, str]]

VARY = ("Vary", "Origin")
ANY_ORIGIN: Headers = [("Access-Control-Allow-Origin", "*"), VARY]
MAY_SEND_CREDENTIALS = ("Access-Control-Allow-Credentials", "true")
ALLOWED_HEADERS = "Access-Control-Allow-Headers"
PREFLIGHT: Headers = [
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    (ALLOWED_HEADERS, "Content-Type, Content-Encoding, Authorization"),
    ("Access-Control-Max-Age", "86400"),
]
# What a browser asks for: names of headers, in lower case, sorted. Of more, nobody is told.
ASKED = re.compile(r"[\w!#$%&'*+.^`|~-]+(?: ?, ?[\w!#$%&'*+.^`|~-]+)*", re.ASCII)
MAX_ASKED = 1000


# The same pages post all the time; what this returns is not to be changed.
@lru_cache(maxsize=1000)
def cors_headers(origins: frozenset[str], origin: str | None) -> Headers:
    """The headers that let `origin` read the answer; none but Vary where it may not.

    An empty set of origins stands for all of them.
    """
    if origin is None:
        return [VARY] if origins else ANY_ORIGIN
    if not (origin in origins if origins else is_origin(origin)):
        return [VARY]
    return [("Access-Control-Allow-Origin", origin), MAY_SEND_CREDENTIALS, VARY]


def is_origin(text: str) -> bool:
    """Whether a browser may have sent it. Anything else, a server might choke on in an answer."""
    return text.isascii() and text.isprintable()


def preflight_headers(allowed: Headers, asked: str | None) -> Headers:
    """What a protocol allows, and besides the headers that this page asks for, whatever they are.

    Libraries add their own to each request (`traceparent`, `X-Requested-With`), and a page can say
    nothing with one that any other client could not.
    """
    if not asked or len(asked) > MAX_ASKED or not ASKED.fullmatch(asked):
        return allowed
    return [
        (name, f"{value}, {asked}" if name == ALLOWED_HEADERS else value) for name, value in allowed
    ]
