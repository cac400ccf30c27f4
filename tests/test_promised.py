"""Both APIs only grow: what a route once took or answered, it takes and answers for ever."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ingestion.openapi
import reporting.http.openapi
from tests.documented import Json, operations_of

PROMISED = Path(__file__).parent / "data" / "promised"
DOCUMENTS = {"ingestion": ingestion.openapi.OPENAPI, "reporting": reporting.http.openapi.OPENAPI}
GONE = (
    "clients rely on these routes, parameters and fields. They may be added to, and never renamed "
    "or taken away: bring them back"
)
NEW = "these are new and promised from now on. Write them down by: python -m tests.test_promised"


def promises_of(document: Json) -> set[str]:
    """A line for each route, parameter, field of a body and field of an answer."""
    found = set()
    for path, method, operation in operations_of(document):
        route = f"{method.upper()} {path}"
        found.add(route)
        for parameter in operation.get("parameters", ()):
            found.add(f"{route} takes {parameter['in']} {parameter['name']}")
        body = operation.get("requestBody", {}).get("content", {})
        parts = [("takes", body)]
        parts += [
            (status, answer.get("content", {})) for status, answer in operation["responses"].items()
        ]
        for what, content in parts:
            for media_type, media in content.items():
                line = f"{route} {what} {media_type}"
                found.add(line)
                names = fields_of(media.get("schema", {}), document["components"]["schemas"])
                found.update(f"{line} {name}" for name in names)
    return found


def fields_of(schema: Any, schemas: Json, inside: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all fields, those of fields behind a dot, those of a list's members behind
    `[]`."""
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if reference is not None:
        name = reference.rpartition("/")[2]
        if name not in inside:
            yield from fields_of(schemas[name], schemas, (*inside, name))
    for choice in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(choice, ()):
            yield from fields_of(one, schemas, inside)
    for name, field in schema.get("properties", {}).items():
        yield name
        yield from (f"{name}.{deeper}" for deeper in fields_of(field, schemas, inside))
    members = fields_of(schema.get("items"), schemas, inside)
    yield from (f"[]{deeper}" for deeper in members)
    values = fields_of(schema.get("additionalProperties"), schemas, inside)
    yield from (f"{{}}{deeper}" for deeper in values)


def promised(service: str) -> set[str]:
    return set((PROMISED / f"{service}.txt").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("service", sorted(DOCUMENTS))
def test_nothing_that_was_promised_is_gone(service: str) -> None:
    there = promises_of(DOCUMENTS[service])
    assert sorted(promised(service) - there) == [], GONE
    assert sorted(there - promised(service)) == [], NEW


def test_a_field_that_goes_is_told_by_its_place() -> None:
    document = DOCUMENTS["reporting"]
    line = "GET /stats 200 application/json top_paths.[]path"
    assert line in promises_of(document)
    paths: Json = {"/stats": {"get": {"responses": {"200": {"content": {}}}}}}
    assert line not in promises_of({**document, "paths": paths})


if __name__ == "__main__":
    for each, its_document in DOCUMENTS.items():
        gone = promised(each) - promises_of(its_document)
        lines = sorted(promises_of(its_document) | gone)
        (PROMISED / f"{each}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
