"""The script for websites, as it is served; what it does in a browser is in tests/browser."""

import gzip
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from ingestion.tracker.routes import NEWEST, VERSIONS
from tests.conftest import MakeIngestion

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


POSTS_TO = re.compile(rb'replace\(/\[\^/\]\*\$/, "([^"?]*)\?users=hashed"\)')


@pytest.mark.parametrize("below", ["https://a.example", "https://a.example/deep/er"])
@pytest.mark.parametrize("event_path", ["", "/x", "/js", "/js/x", "/api/x", "/js/lib/more/x"])
@pytest.mark.parametrize("tracker_path", ["/f.js", "/js/f.js", "/js/lib/f.js"])
def test_under_a_path_of_one_s_own_it_posts_to_the_other_wherever_a_proxy_puts_both(
    make_ingestion: MakeIngestion, tracker_path: str, event_path: str, below: str
) -> None:
    client = make_ingestion(tracker_path=tracker_path, event_path=event_path).test_client()
    own = client.get(tracker_path)
    way = POSTS_TO.findall(own.data)[0].decode()
    assert urljoin(f"{below}{tracker_path}", way) == f"{below}{event_path or '/event'}"
    # Nothing else in it is another, and the usual one is what it was.
    assert own.data.replace(f'"{way}?'.encode(), b'"event?') == released(NEWEST)
    assert client.get("/tracker.js").data == released(NEWEST)
    assert own.headers["Cache-Control"] == client.get("/tracker.js").headers["Cache-Control"]
    assert own.headers["Access-Control-Allow-Origin"] == "*"
