"""Which pages may post from a browser: every origin, or those that CORS_ORIGINS lists."""

from collections.abc import Set as AbstractSet

Headers = list[tuple[str, str]]

ANY_ORIGIN: Headers = [("Access-Control-Allow-Origin", "*")]
PREFLIGHT: Headers = [
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, Content-Encoding, Authorization"),
    ("Access-Control-Max-Age", "86400"),
]


def cors_headers(origins: AbstractSet[str], origin: str | None) -> Headers:
    """The headers that let `origin` read the answer; none but Vary where it may not."""
    if not origins:
        return ANY_ORIGIN
    vary = [("Vary", "Origin")]
    if origin is None or origin not in origins:
        return vary
    return [("Access-Control-Allow-Origin", origin), *vary]
