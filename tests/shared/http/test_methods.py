import json

import pytest
from werkzeug.test import create_environ, run_wsgi_app
from werkzeug.wrappers import Response

from shared.http.methods import only_reading


class Counting:
    """An application that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.app = only_reading(self.answer)

    def answer(self, environ, start_response):  # type: ignore[no-untyped-def]
        self.asked += 1
        return Response("read")(environ, start_response)


class Unread:
    """A body of which nobody may wait for a byte."""

    def read(self, *_: object) -> bytes:
        raise AssertionError("the body is read")

    readline = readlines = __iter__ = read


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_who_reads_is_answered(method: str) -> None:
    counting = Counting()
    _, status, _ = run_wsgi_app(counting.app, create_environ("/stats", method=method))
    assert (status, counting.asked) == ("200 OK", 1)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get"])
def test_who_does_not_is_refused_without_asking_anybody(method: str) -> None:
    counting = Counting()
    environ = create_environ("/stats", method=method)
    environ.update({"REQUEST_METHOD": method, "CONTENT_LENGTH": "100", "wsgi.input": Unread()})
    parts, status, headers = run_wsgi_app(counting.app, environ)
    body = b"".join(parts)
    assert (status, counting.asked) == ("405 METHOD NOT ALLOWED", 0)
    assert headers["Allow"] == "GET, HEAD, OPTIONS"
    assert (headers["Content-Type"], headers["Content-Length"]) == (
        "application/json",
        str(len(body)),
    )
    assert json.loads(body)["code"] == "method_not_allowed"
