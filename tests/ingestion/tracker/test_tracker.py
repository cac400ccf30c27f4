"""The script for websites, as it is served; what it does in a browser is in tests/browser."""

import gzip
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ingestion.tracker.routes import NEWEST, VERSIONS

ROOT = Path(__file__).parents[3]
TRACKER = ROOT / "ingestion" / "tracker"
# Of each released version, for ever: pages may name it in `integrity`. A change is a new version.
DIGESTS = {
    1: "f8a8801bf376f267b7a8f7fbd85cf1a9ce1b8efcac0cf503baa432c988c24502",
    2: "d112c84eeeb9994270120132f119fb1f6abe0e91c406bdc034544a64aada6f9c",
}
MAX_BYTES = 2000


def released(version: int) -> bytes:
    return (TRACKER / f"v{version}.js").read_bytes()


def test_a_released_version_never_changes() -> None:
    files = {path.name for path in TRACKER.glob("v*.js")}
    assert files == {f"v{version}.js" for version in VERSIONS}
    assert {v: hashlib.sha256(released(v)).hexdigest() for v in VERSIONS} == DIGESTS


def test_the_newest_version_is_made_from_the_source() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "release-tracker"],
        input=(TRACKER / "tracker.js").read_bytes(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert made.stdout == released(NEWEST)


def test_it_is_small() -> None:
    assert len(gzip.compress(released(NEWEST))) < MAX_BYTES


def test_it_is_written_for_old_browsers() -> None:
    code = re.sub(r'"[^"]*"', '""', released(NEWEST).decode("ascii"))
    newer = r"=>|`|\b(?:let|const|class|async|await|of|import|export)\b|\.\.\.|\?\.\w|\?\?|\*\*"
    assert not re.findall(newer, code)
    assert "cookie" not in code


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/tracker.js", f"/tracker.v{NEWEST}.js"])
def test_it_is_served_to_any_page(client: FlaskClient, path: str, encoding: str) -> None:
    answer = client.get(path, headers={"Accept-Encoding": encoding})
    plain = gzip.decompress(answer.data) if encoding == "gzip" else answer.data
    assert (answer.status_code, plain) == (200, released(NEWEST))
    assert answer.headers.get("Content-Encoding", "identity") == encoding
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Vary"] == "Accept-Encoding"


def test_the_newest_is_asked_for_again_and_a_version_is_kept(client: FlaskClient) -> None:
    caching = {
        path: client.get(path).headers["Cache-Control"]
        for path in ("/tracker.js", "/tracker.v1.js")
    }
    assert "max-age=3600" in caching["/tracker.js"]
    assert caching["/tracker.v1.js"] == "public, max-age=31536000, immutable"


def test_a_browser_that_has_it_is_sent_nothing(client: FlaskClient) -> None:
    tags = []
    for encoding in ("gzip", "identity"):
        headers = {"Accept-Encoding": encoding}
        tags.append(client.get("/tracker.js", headers=headers).headers["ETag"])
        again = client.get("/tracker.js", headers=headers | {"If-None-Match": tags[-1]})
        assert (again.status_code, again.data) == (304, b"")
    assert len(set(tags)) == 2


def test_a_version_that_is_none_is_not_found(client: FlaskClient) -> None:
    assert client.get(f"/tracker.v{NEWEST + 1}.js").status_code == 404
