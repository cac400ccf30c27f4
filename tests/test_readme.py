"""What README and docs say is so: settings, fields, commands, curls and what these answer."""

import dataclasses
import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from footfall.settings_table import as_markdown_table
from reporting.app import create_app
from shared.clock import now_ms
from shared.fields import dimensions_as_markdown, fields_as_markdown
from shared.settings import Settings
from tests.drained import store_all

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
}
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")

each_document = pytest.mark.parametrize("name", sorted(DOCUMENTS))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands_to(url: str) -> list[list[str]]:
    """The curl commands of the README that begin with this URL, as a shell would split them."""
    lines = "".join(blocks("sh")).splitlines()
    split = [shlex.split(line) for line in lines if line.startswith("curl ")]
    return [words for words in split if words[1].startswith(url)]


@pytest.mark.parametrize(
    ("name", "of", "table"),
    [
        ("docs/settings.md", "settings", as_markdown_table()),
        ("docs/api.md", "fields", fields_as_markdown()),
        ("docs/api.md", "dimensions", dimensions_as_markdown()),
    ],
)
def test_a_table_is_the_codes(name: str, of: str, table: str) -> None:
    shown = DOCUMENTS[name].partition(f"<!-- {of} -->\n")[2].partition(f"\n<!-- /{of} -->")[0]
    assert shown == table


def test_the_example_of_env_has_every_setting_with_its_default() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    given = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert list(given) == [field.name.upper() for field in dataclasses.fields(Settings)]
    assert Settings.from_env(given) == Settings()


@each_document
def test_every_make_target_is_in_the_makefile(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", DOCUMENTS[name], re.MULTILINE))
    assert named or name != "README.md"
    assert named <= targets


@each_document
def test_every_link_leads_somewhere(name: str) -> None:
    for path, fragment in LINK.findall(DOCUMENTS[name]):
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists()
        if fragment:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
            assert fragment in {heading.replace(" ", "-") for heading in plain}


def test_every_setting_named_in_prose_exists() -> None:
    known = {field.name.upper() for field in dataclasses.fields(Settings)}
    others = {"TIDB_CA_PATH", "NAME", "NAME_FILE", "GET", "POST", "TLS", "SIGTERM"}
    others |= {"MARIADB_BUFFER_POOL", "MARIADB_REDO_LOG"}  # of the compose file
    for text in DOCUMENTS.values():
        assert set(re.findall(r"`([A-Z_]{3,})[=`]", text)) <= known | others


def test_the_first_curl_is_counted_as_the_readme_shows(
    client: FlaskClient, settings: Settings
) -> None:
    ((_, _, flag, body),) = commands_to("http://127.0.0.1:8000/event")
    (_, asked), *_ = commands_to("http://127.0.0.1:8001/stats")
    before = now_ms()
    # What curl says of a body given with -d.
    sent = client.post("/event", data=body, content_type="application/x-www-form-urlencoded")
    store_all(settings)
    path = asked.removeprefix("http://127.0.0.1:8001")
    # The clock of the day on which the event was sent, should midnight pass meanwhile.
    answer = create_app(settings, lambda: before).test_client().get(path)
    today = datetime.fromtimestamp(before / 1000, UTC).date().isoformat()
    shown = blocks("json")[0]
    assert (flag, sent.status_code) == ("-d", 202)
    assert answer.get_data(as_text=True) == re.sub(r"\d{4}-\d\d-\d\d", today, shown)


def test_the_lines_of_the_second_curl_are_accepted_as_the_readme_shows(
    client: FlaskClient,
) -> None:
    (block,) = [block for block in blocks("sh") if "ndjson" in block]
    lines = "\n".join(re.findall(r"'({.*?})'", block))
    sent = client.post("/events", data=lines, content_type="application/x-ndjson")
    assert (sent.status_code, sent.get_json()) == (202, json.loads(blocks("json")[1]))


def test_every_question_of_the_readme_is_answered(client: FlaskClient, settings: Settings) -> None:
    client.post("/event", json={"site_id": "demo", "event_type": "page_view"})
    store_all(settings)
    reporting = create_app(settings).test_client()
    for _, asked in commands_to("http://127.0.0.1:8001/"):
        assert reporting.get(asked.removeprefix("http://127.0.0.1:8001")).status_code == 200
