"""One route, however many slashes are in its path: `//event` and `/event/` are `/event`.

A redirect would not do: many clients follow none, or ask again without the body. What is a route as
it stands is left alone, for a user's name in a path may be `https://id.example/`.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DOUBLED = re.compile("//+")


def is_plain(path: str) -> bool:
    """Whether a path has no slash too many."""
    return "//" not in path and (path[-1:] != "/" or path == "/")


def plain_path(path: str) -> str:
    """The path without doubled and trailing slashes."""
    return path if is_plain(path) else DOUBLED.sub("/", path).rstrip("/") or "/"


def with_plain_paths(app: Flask) -> "WSGIApplication":
    """The application, which then finds its routes also by paths with slashes too many.

    To be called before it has any route.
    """
    app.url_map.merge_slashes = False  # it would answer with redirects
    otherwise = app.wsgi_app
    routes = app.url_map.bind("")

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not is_plain(path):
            meant = (path, trimmed(path), plain_path(path))
            environ["PATH_INFO"] = next(filter(routes.allowed_methods, meant), meant[-1])
        return otherwise(environ, start_response)

    return wsgi_app


def trimmed(path: str) -> str:
    """The path without slashes too many at its ends: those within may be a name's."""
    return "/" + path.strip("/")
