"""The page and its files: where they are, what a browser may do with them, and what is public."""

import dataclasses
import gzip
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient
from setuptools import Distribution
from setuptools.command.build_py import build_py

from reporting.app import create_app
from reporting.dashboard.assets import STATIC, Asset, load_assets
from shared.errors import BadSetting
from shared.settings import Settings

ROOT = Path(__file__).parents[3]
FIRST_VIEW_BYTES = 150_000
GZIP = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Nothing of the page needs Redis or a database."""
    return Settings(
        data_dir=tmp_path,
        redis_url="redis://127.0.0.1:1/0",
        database_url="mysql://nobody@127.0.0.1:1/none",
    )


def client_with(settings: Settings, **changes: object) -> FlaskClient:
    return create_app(dataclasses.replace(settings, **changes)).test_client()  # type: ignore[arg-type]


def files_of(page: str) -> list[str]:
    """Every address that the page loads something from."""
    return re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', page)


def test_the_page_and_its_files_are_served_with_everything_else_away(nowhere: Settings) -> None:
    client = client_with(nowhere)
    page = client.get("/")
    assert page.status_code == 200
    files = files_of(page.text)
    assert len(files) > 20
    for file in files:
        answer = client.get(f"/{file}")
        assert answer.status_code == 200, file
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_every_import_of_a_script_and_every_url_of_a_style_leads_to_a_file(
    nowhere: Settings,
) -> None:
    assets = load_assets()
    for name, asset in assets.files.items():
        if Path(name).suffix not in (".js", ".css"):
            continue
        text = asset.body.decode()
        found = re.findall(r'^(?:import|export) [^"]*"(\.[^"]+)";', text, re.MULTILINE)
        found += re.findall(r'url\("([^"]+)"\)', text)
        for reference in found:
            assert urljoin(name, reference) in assets.files, (name, reference)


def test_the_address_changes_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "one.js").write_text("1")
    before = load_assets(tmp_path).digest
    (tmp_path / "one.js").write_text("2")
    changed = load_assets(tmp_path).digest
    (tmp_path / "one.js").rename(tmp_path / "two.js")
    assert len({before, changed, load_assets(tmp_path).digest}) == 3


@pytest.mark.parametrize(
    "path",
    [
        "/assets/0123456789abcdef/scripts/main.js",
        "/assets/{digest}/index.html",
        "/assets/{digest}/no.js",
        "/assets/{digest}/../assets.py",
        "/assets/{digest}/%2e%2e/assets.py",
        "/assets/{digest}/",
    ],
)
def test_no_other_version_and_no_other_file_is_served(nowhere: Settings, path: str) -> None:
    answer = client_with(nowhere).get(path.format(digest=load_assets().digest))
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_files_are_compressed_for_those_who_take_it(nowhere: Settings) -> None:
    client = client_with(nowhere)
    path = f"/assets/{load_assets().digest}/scripts/main.js"
    packed, plain = client.get(path, headers=GZIP), client.get(path)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["X-Content-Type-Options"] == "nosniff"


def test_a_font_is_not_compressed_again() -> None:
    assert Asset(".woff2", b"x").gzipped is None


def test_the_first_view_is_small(nowhere: Settings) -> None:
    client = client_with(nowhere)
    page = client.get("/")
    addresses = {f"/{file}" for file in files_of(page.text)}
    sizes = {address: len(client.get(address, headers=GZIP).data) for address in addresses}
    assert len(gzip.compress(page.data)) + sum(sizes.values()) < FIRST_VIEW_BYTES


def test_the_page_allows_nothing_but_its_own_and_posting_to_ingestion(nowhere: Settings) -> None:
    client = client_with(nowhere, public_ingestion_url="https://count.example/in/")
    answer = client.get("/")
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'self'" in policy
    assert "connect-src 'self' https://count.example" in policy
    assert "unsafe" not in str(policy)
    assert 'data-ingestion="https://count.example/in"' in answer.text


def test_the_page_has_no_inline_script_style_or_handler(nowhere: Settings) -> None:
    page = client_with(nowhere).get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page)
    assert not re.search(r'(?:href|src)="(?:https?:)?//', page.replace("http://127.0.0.1:8000", ""))


def test_the_page_is_asked_for_again_and_sent_once(nowhere: Settings) -> None:
    client = client_with(nowhere)
    first = client.get("/")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_page_and_files_need_no_key_and_no_number_comes_without_one(nowhere: Settings) -> None:
    client = client_with(nowhere, api_auth="sesame")
    page = client.get("/")
    assert page.status_code == 200
    assert "sesame" not in page.text
    assert {client.get(f"/{file}").status_code for file in files_of(page.text)} == {200}
    for path in ("/stats?site_id=s", "/sites", "/realtime?site_id=s", "/pipeline/status", "/asset"):
        assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("changes", "host", "expected"),
    [
        ({}, "dash.example:8001", "http://127.0.0.1:8000"),
        ({"ingestion_port": 9000}, "localhost", "http://127.0.0.1:9000"),
        ({"ingestion_host": "::1"}, "localhost", "http://[::1]:8000"),
        ({"ingestion_host": "0.0.0.0"}, "dash.example:8001", "http://dash.example:8000"),
        ({"ingestion_host": "::"}, "[::1]:8001", "http://[::1]:8000"),
        ({"ingestion_host": "0.0.0.0"}, "x;script-src *", "http://127.0.0.1:8000"),
        ({"public_ingestion_url": "https://c.example"}, "a", "https://c.example"),
    ],
)
def test_the_page_knows_where_ingestion_is(
    nowhere: Settings, changes: dict[str, object], host: str, expected: str
) -> None:
    answer = client_with(nowhere, api_auth="sesame", **changes).get("/", headers={"Host": host})
    assert f'data-ingestion="{expected}"' in answer.text
    assert f"connect-src 'self' {expected};" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "value",
    ["count.example", "https://a b", "https://x;y", "https://u:p@x", "https://x/?q", "http://"],
)
def test_an_ingestion_url_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(BadSetting, match="PUBLIC_INGESTION_URL: must be a URL"):
        Settings.from_env({"PUBLIC_INGESTION_URL": value})


def test_the_page_says_when_posting_needs_the_key(nowhere: Settings) -> None:
    asks = client_with(nowhere, api_auth="k", ingest_auth=True).get("/").text
    assert " data-ingest-auth" in asks
    assert " data-ingest-auth" not in client_with(nowhere).get("/").text


def test_an_installed_package_has_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files([str(ROOT / "pyproject.toml")])
    command = build_py(distribution)
    command.finalize_options()
    command.manifest_files = {}
    packed = {
        Path(name).resolve()
        for name in command.find_data_files("reporting.dashboard", "reporting/dashboard")
    }
    assert {path for path in STATIC.rglob("*") if path.is_file()} <= packed


@pytest.mark.parametrize("vendored", ["uplot", "inter"])
def test_what_others_wrote_has_its_licence(nowhere: Settings, vendored: str) -> None:
    answer = client_with(nowhere).get(f"/assets/{load_assets().digest}/vendor/{vendored}/LICENSE")
    assert "Copyright" in answer.text
    assert answer.mimetype == "text/plain"


@pytest.mark.parametrize(
    ("given", "tracker", "event"),
    [
        ({}, "/tracker.js", "/event"),
        ({"tracker_path": "/js/f.js"}, "/js/f.js", "/event"),
        ({"tracker_path": "/js/f.js", "event_path": "/api/x"}, "/js/f.js", "/api/x"),
    ],
)
def test_snippets_have_the_paths_of_one_s_own(
    nowhere: Settings, given: dict[str, str], tracker: str, event: str
) -> None:
    url = "https://count.example"
    page = client_with(nowhere, public_ingestion_url=url, **given).get("/").text
    assert f'data-tracker="{url}{tracker}" data-event="{url}{event}"' in page
    # Where events have such a path, a proxy need not hand on the description.
    assert (f'href="{url}/docs"' in page) is ("event_path" not in given)
