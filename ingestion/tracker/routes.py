"""The script for websites: the newest version under /tracker.js, each one for ever under its own.

A released version is a file that never changes again; tracker/tracker.js is its readable source.
Under a path of an installation's own, the newest differs in where it posts, and in nothing else.
"""

import gzip
import hashlib
import posixpath
from pathlib import Path

from flask import Flask, Response, request

VERSIONS = (1, 2)
NEWEST = VERSIONS[-1]
USUAL_PATH = "/tracker.js"
# To which the script posts, beside itself.
EVENT_PATH = "/event"
DIRECTORY = Path(__file__).parent
# A page need not ask again within the hour; a day later every browser has a new version.
NEWEST_CACHING = "public, max-age=3600, stale-while-revalidate=82800"
VERSION_CACHING = "public, max-age=31536000, immutable"


def add_tracker_routes(app: Flask, own_path: str = "", event_path: str = "") -> None:
    """`own_path` is a further one for the newest, where there is one; that posts to `event_path`,
    or, where that is empty, to the usual route."""
    for version in VERSIONS:
        add_script(app, f"/tracker.v{version}.js", released(version), VERSION_CACHING)
    add_script(app, USUAL_PATH, released(NEWEST), NEWEST_CACHING)
    if own_path:
        script = posting_to(event_path or EVENT_PATH, own_path)
        add_script(app, own_path, script, NEWEST_CACHING)


def released(version: int) -> bytes:
    return (DIRECTORY / f"v{version}.js").read_bytes()


def posting_to(event_path: str, own_path: str) -> bytes:
    """The newest version as it is served at `own_path`. It finds the other path relative to its own
    address, whatever host and path a proxy gives it."""
    place, name = posixpath.split(event_path)
    way = posixpath.join(posixpath.relpath(place, posixpath.dirname(own_path)), name)
    way = way.removeprefix("./")
    return released(NEWEST).replace(b'"event?', f'"{way}?'.encode())


def add_script(app: Flask, path: str, plain: bytes, caching: str) -> None:
    packed = gzip.compress(plain, mtime=0)

    @app.get(path, endpoint=path)
    def script() -> Response:
        is_packed = request.accept_encodings["gzip"] > 0
        answer = Response(packed if is_packed else plain, mimetype="text/javascript")
        answer.headers["Cache-Control"] = caching
        answer.headers["Vary"] = "Accept-Encoding"
        # Any page may load it, also one that checks its digest (`integrity`) or isolates itself.
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if is_packed:
            answer.headers["Content-Encoding"] = "gzip"
        answer.set_etag(hashlib.sha256(answer.data).hexdigest()[:32])
        answer.make_conditional(request)
        return answer
