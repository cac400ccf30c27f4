"""One route, however many slashes are in its path: `//event` and `/event/` are `/event`.

A redirect would not do: many clients follow none, or ask again without the body. What is a route as
it stands is left alone, for a user's name in a path may be `https://id.example/`.

And one route, whether or not a proxy leaves the path on below which the service stands.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DOUBLED = re.compile("//+")
# Where a request's path is kept as it was asked for.
ASKED = "footfall.path"
# No browser keeps it.
REDIRECT = "307 TEMPORARY REDIRECT"


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
        path = environ[ASKED] = environ["PATH_INFO"]
        if not is_plain(path):
            meant = (path, trimmed(path), plain_path(path))
            environ["PATH_INFO"] = next(filter(routes.allowed_methods, meant), meant[-1])
        return otherwise(environ, start_response)

    return wsgi_app


def below(prefix: str, otherwise: "WSGIApplication") -> "WSGIApplication":
    """The application, also where a proxy leaves `prefix` on the paths; empty: none does.

    The prefix alone leads to itself with a slash, or a page's relative links would lead past it.
    """
    if not prefix:
        return otherwise
    # With slashes too many, as any other path.
    pattern = re.compile("".join(f"/+{re.escape(part)}" for part in prefix[1:].split("/")))
    slashed = prefix.rpartition("/")[2] + "/"

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        found = pattern.match(path)
        if found and found.end() == len(path):
            query = environ.get("QUERY_STRING")
            location = f"{slashed}?{query}" if query else slashed
            start_response(REDIRECT, [("Location", location), ("Content-Length", "0")])
            return [b""]
        if found and path[found.end()] == "/":
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
            environ["PATH_INFO"] = path[found.end() :]
        return otherwise(environ, start_response)

    return wsgi_app


def links_up(environ: "WSGIEnvironment") -> str:
    """What a page's relative links need before them to lead beside it: `/docs/` is `/docs`, but
    not to a browser."""
    path = environ.get(ASKED, "")
    return "../" * (len(path) - len(path.rstrip("/")))


def trimmed(path: str) -> str:
    """The path without slashes too many at its ends: those within may be a name's."""
    return "/" + path.strip("/")
