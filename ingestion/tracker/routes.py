"""The script for websites: the newest version under /tracker.js, each one for ever under its own.

A released version is a file that never changes again; tracker/tracker.js is its readable source.
"""

import gzip
import hashlib
from pathlib import Path

from flask import Flask, Response, request

VERSIONS = (1, 2)
NEWEST = VERSIONS[-1]
DIRECTORY = Path(__file__).parent
# A page need not ask again within the hour; a day later every browser has a new version.
NEWEST_CACHING = "public, max-age=3600, stale-while-revalidate=82800"
VERSION_CACHING = "public, max-age=31536000, immutable"


def add_tracker_routes(app: Flask) -> None:
    for version in VERSIONS:
        add_script(app, f"/tracker.v{version}.js", version, VERSION_CACHING)
    add_script(app, "/tracker.js", NEWEST, NEWEST_CACHING)


def add_script(app: Flask, path: str, version: int, caching: str) -> None:
    plain = (DIRECTORY / f"v{version}.js").read_bytes()
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
