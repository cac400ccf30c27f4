"""Both OpenAPI documents: well-formed, complete, and at one with the code they describe."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import ingestion.openapi
import reporting.http.openapi
from ingestion.app import create_app as create_ingestion
from ingestion.protocols.known import PROTOCOLS
from ingestion.reading.aliases import CANONICAL
from reporting.app import create_app as create_reporting
from shared.http.openapi import curl, with_examples
from shared.settings import Settings
from tests.documented import conforms, examples_of, operations_of, request_of

ROOT = Path(__file__).parent.parent
DOCUMENTS = {"ingestion": ingestion.openapi.OPENAPI, "reporting": reporting.http.openapi.OPENAPI}
FACTORIES = {"ingestion": create_ingestion, "reporting": create_reporting}
METHODS = {"get", "post", "patch", "delete", "options"}
CODE = re.compile(r'(?:InvalidInput|Unavailable|missing|invalid_name)\(\s*"([a-z_]+)"')
# As Flask writes it: `<name:user_id>`.
PATH_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# Not an answer's code: a setting's name, and what the queue says only to workers.
UNDOCUMENTED = {"site_id", "event_type"}

each_service = pytest.mark.parametrize("service", sorted(DOCUMENTS))


def references_in(node: Any) -> list[str]:
    if isinstance(node, dict):
        found = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return found + [ref for value in node.values() for ref in references_in(value)]
    if isinstance(node, list):
        return [ref for value in node for ref in references_in(value)]
    return []


@each_service
def test_the_document_has_the_parts_that_openapi_requires(service: str) -> None:
    document = DOCUMENTS[service]
    assert document["openapi"] == "3.1.0"
    assert {"title", "version"} <= document["info"].keys()
    tags = {tag["name"] for tag in document["tags"]}
    schemes = document["components"]["securitySchemes"].keys()
    for path, method, operation in operations_of(document):
        assert path.startswith("/")
        assert method in METHODS
        assert set(operation["tags"]) <= tags
        assert all(set(wanted) <= schemes for wanted in operation["security"])
        assert operation["responses"]
        for status, answer in operation["responses"].items():
            assert re.fullmatch("[1-5][0-9]{2}", status)
            assert answer["description"]
        names = [(p["in"], p["name"]) for p in operation.get("parameters", ())]
        assert len(names) == len(set(names))
        assert all("schema" in p for p in operation.get("parameters", ()))


@each_service
def test_every_reference_leads_to_a_schema(service: str) -> None:
    schemas = DOCUMENTS[service]["components"]["schemas"]
    assert {f"#/components/schemas/{name}" for name in schemas} >= set(
        references_in(DOCUMENTS[service])
    )


@each_service
def test_every_schema_is_json_schema(service: str) -> None:
    for schema in DOCUMENTS[service]["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@each_service
def test_every_example_conforms_to_its_schema(service: str) -> None:
    document = DOCUMENTS[service]
    for _, _, operation in operations_of(document):
        described = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in described:
            for media in content.get("content", {}).values():
                for example in media.get("examples", {}).values():
                    conforms(document, media["schema"], example["value"])


@each_service
def test_every_route_is_documented_and_nothing_else(service: str, tmp_path: Path) -> None:
    app = FACTORIES[service](Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0"))
    routes = {
        (PATH_PARAMETER.sub(r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {(path, method) for path, method, _ in operations_of(DOCUMENTS[service])}
    assert {(path, method) for path, method in documented if method != "options"} == routes


@each_service
def test_every_error_code_of_the_code_has_an_example(service: str) -> None:
    sources = [*(ROOT / service).rglob("*.py"), ROOT / "shared" / "queue" / "event_queue.py"]
    sources += [ROOT / "shared" / "db" / "database.py"] if service == "reporting" else []
    used = {code for source in sources for code in CODE.findall(source.read_text("utf-8"))}
    used -= {"backlog_full"} if service == "reporting" else set()  # reporting never pushes
    shown = {example.name for example in examples_of(DOCUMENTS[service])} | {
        example.value["code"]
        for example in examples_of(DOCUMENTS[service])
        if example.status >= 400
    }
    assert used - UNDOCUMENTED <= shown


def test_the_event_has_every_field_and_names_every_alias() -> None:
    properties = DOCUMENTS["ingestion"]["components"]["schemas"]["Event"]["properties"]
    assert properties.keys() == CANONICAL
    for protocol in PROTOCOLS:
        for name in CANONICAL:
            for alias in protocol.aliases.others(name):
                assert f"`{alias}`" in properties[name]["description"]


@each_service
def test_the_version_is_the_projects(service: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert DOCUMENTS[service]["info"]["version"] == project["version"]


@each_service
def test_every_operation_has_a_curl_of_its_first_example(service: str) -> None:
    for path, _, operation in operations_of(DOCUMENTS[service]):
        (sample,) = operation["x-codeSamples"]
        address = DOCUMENTS[service]["servers"][0]["url"]
        assert f"{address}{with_examples(path, operation)}" in sample["source"]


def test_a_curl_quotes_what_a_shell_would_read() -> None:
    body = {
        "content": {"application/json": {"examples": {"a": {"value": {"title": "it's $HOME"}}}}}
    }
    operation = {"requestBody": body, "responses": {}}
    assert curl("http://127.0.0.1:8000/event", "post", operation) == (
        "curl http://127.0.0.1:8000/event \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"title":"it'"'"'s $HOME"}'"""
    )


@each_service
def test_the_page_shows_every_route_and_loads_nothing(service: str, tmp_path: Path) -> None:
    app = FACTORIES[service](Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0"))
    answer = app.test_client().get("/docs")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not re.search(r"<(script|link|img|iframe)\b|url\(|@import", page)
    for path, method, _ in operations_of(DOCUMENTS[service]):
        identifier = f"{method}{path.replace('/', '-').replace('.', '-')}"
        assert f'<article id="{identifier}">' in page
        assert f'href="#{identifier}"' in page


def test_a_body_example_is_found_by_its_name() -> None:
    operation = DOCUMENTS["ingestion"]["paths"]["/events"]["post"]
    assert request_of(operation, "lines")["headers"] == {"Content-Type": "application/x-ndjson"}
