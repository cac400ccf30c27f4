"""Where nothing is written, no other method than reading ones is worth a look at the request.

Flask takes longer to say so than to answer `/health`, and thousands may ask at once.
"""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed

from shared.http.paths import plain_path

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READING = ("GET", "HEAD", "OPTIONS")
STATUS = "405 METHOD NOT ALLOWED"
BODY = json.dumps(
    {"status": "error", "code": "method_not_allowed", "error": MethodNotAllowed.description}
).encode()
HEADERS = (
    ("Content-Type", "application/json"),
    ("Allow", ", ".join(READING)),
    ("Content-Length", str(len(BODY))),
)


def only_reading(
    otherwise: "WSGIApplication", but: Callable[[str], bool] = lambda _: False
) -> "WSGIApplication":
    """The application, of whose routes none takes another method, nor a body, `but` these."""

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in READING or but(plain_path(environ["PATH_INFO"])):
            return otherwise(environ, start_response)
        start_response(STATUS, list(HEADERS))
        return [BODY]

    return wsgi_app
