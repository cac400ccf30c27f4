"""Who may change what is set where nobody needs a key: whoever asks from this machine, and is no
page of another website.

A key is nothing that a browser sends by itself, so whoever has one is asked no more. A proxy on
this machine that tells nothing of its clients cannot be told from one of them: before there is
any, API_AUTH has to be set.
"""

from flask import Request

from shared.errors import InvalidInput
from shared.settings import Settings, is_loopback

READING = ("GET", "HEAD", "OPTIONS")
# Whoever passes requests on from elsewhere says so in one of these.
PASSED_ON = (
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Real-IP",
    "Via",
)
# As nginx asks, unless it is told otherwise, and no browser nor curl.
OLD_PROTOCOL = "HTTP/1.0"
# What browsers say of a request that a page of this very service makes, or a person.
OWN_PAGES = ("same-origin", "none")
KEY_NEEDED = (
    "without API_AUTH only whoever asks from this machine itself changes what is set: set API_AUTH "
    "to a key, or use `footfall sites` and `footfall keys` there"
)
OTHER_ORIGIN = "this was asked by the page of another website"


def check_from_here(request: Request, settings: Settings) -> None:
    """Raises InvalidInput for whoever may not, without a key."""
    is_here = is_loopback(request.remote_addr or "") and not settings.allow_open
    is_old = request.environ.get("SERVER_PROTOCOL") == OLD_PROTOCOL
    is_below = bool(request.script_root)  # a proxy leaves its path on
    if not is_here or is_old or is_below or any(name in request.headers for name in PASSED_ON):
        raise InvalidInput("key_needed", KEY_NEEDED, status=403)
    if request.method not in READING and not is_own_page(request):
        raise InvalidInput("other_origin", OTHER_ORIGIN, status=403)


def is_own_page(request: Request) -> bool:
    """Whether a page of this service asks, or no page at all."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site not in OWN_PAGES:
        return False
    return origin is None or origin.partition("://")[2] == request.host
