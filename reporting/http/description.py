"""Routes in OpenAPI: parameters, the answer with its examples, and the errors that they imply."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from reporting.ask.parameter import Parameter, missing, names_of, repeated, unknown
from reporting.http.delivery import CSV, HEADERS, csv_text
from reporting.route import Route
from shared.errors import InvalidInput
from shared.event import MAX_NAME
from shared.http import openapi
from shared.http.openapi import JSON_TYPE, KEY_OR_OPEN, RETRY_AFTER, Json

UNAUTHORIZED = openapi.refusal(
    "No key or a wrong one; only with `API_AUTH` set.",
    unauthorized=openapi.error("No key", "unauthorized", "a valid API key is required"),
)
UNCHANGED = {"304": {"description": "As it was when the `If-None-Match` was given."}}


def paths_and_schemas(routes: Mapping[str, Iterable[Route[Any]]]) -> tuple[Json, Json]:
    """What a document says of the routes of each tag, and the schemas that it refers to."""
    tagged = [(tag, route) for tag, of_tag in routes.items() for route in of_tag]
    types = [route.answer_type for _, route in tagged]
    template = openapi.ref("{name}")["$ref"]
    answers, schemas = msgspec.json.schema_components(types, ref_template=template)
    paths: Json = {}
    for (tag, route), schema in zip(tagged, answers, strict=True):
        if "$ref" not in schema:  # a list, which has no class that names it
            schemas[schema["title"]] = schema
            schema = openapi.ref(schema["title"])
        about = schemas[schema["$ref"].rpartition("/")[2]]["description"]
        good = {"description": about, **answer_of(route, schema)}
        described = {"tags": [tag], **operation_of(route, good)}
        first, *others = route.paths
        paths[first] = {"get": described}
        paths |= {other: {"get": openapi.same_as(first, described)} for other in others}
    return paths, schemas


def operation_of(route: Route[Any], good: Json) -> Json:
    return {
        "summary": route.summary,
        "description": route.description,
        "security": KEY_OR_OPEN,
        "parameters": [parameter_of(route, known) for known in route.parameters],
        "responses": {
            "200": good,
            **(UNCHANGED if "ETag" in good["headers"] else {}),
            "400": openapi.refusal("Bad parameters.", **errors_of(route, refusals_of(route))),
            "401": UNAUTHORIZED,
            "503": openapi.refusal(
                "For now; try again after `Retry-After`.",
                headers=RETRY_AFTER,
                **errors_of(route, route.faults),
            ),
        },
    }


def parameter_of(route: Route[Any], known: Parameter[Any]) -> Json:
    place = {"in": "path" if known.in_path else "query"}
    described = openapi.query(known.name, known.schema, known.description) | place
    if known.is_required:
        return described | {"required": True, "example": known.example}
    query = route.examples[0].query
    return described | ({"example": query[known.name]} if known.name in query else {})


def answer_of(route: Route[Any], schema: Json) -> Json:
    """The parameters' examples ask for the first example; the others tell what asks for them."""
    first, *others = route.examples
    examples = {first.name: openapi.example(first.summary, msgspec.to_builtins(first.value))}
    for shown in others:
        value, request = msgspec.to_builtins(shown.value), asking(route, shown.query)
        examples[shown.name] = openapi.example(shown.summary, value, request)
    content = {JSON_TYPE: {"schema": schema, "examples": examples}}
    if route.table is not None:
        text, request = csv_text(first.value, route.table), {**first.query, "format": "csv"}
        shown_as_csv = openapi.example("As CSV", text, asking(route, request))
        content[CSV] = {"schema": {"type": "string"}, "examples": {"csv": shown_as_csv}}
    return {"headers": HEADERS[route.kept], "content": content}


def asking(route: Route[Any], query: Mapping[str, Any]) -> Json:
    """A request of this query and of what the route requires; None in it leaves one out."""
    required = {p.name: p.example for p in route.parameters if p.is_required and not p.in_path}
    return {"query": {k: v for k, v in {**required, **query}.items() if v is not None}}


def refusals_of(route: Route[Any]) -> Iterator[Json]:
    """What its parameters refuse, by themselves and by their names, and its own."""
    for known in route.parameters:
        yield from refused_by(known)
    names = names_of(route.parameters)
    typo = f"{names[-1]}s" if names else "page"
    yield shown("A parameter it does not know", unknown(typo, names), query={typo: "x"})
    if names:
        twice = {names[0]: ["a", "b"]}
        yield shown("A parameter given twice", repeated(names[0]), query=twice)
    yield from route.refusals


def refused_by(known: Parameter[Any]) -> Iterator[Json]:
    """What a parameter answers to being left out, and to the text that it is said to refuse."""
    if known.is_required and not known.in_path:
        yield shown(f"Without `{known.name}`", missing(known), query={known.name: None})
    if known.refuses:
        place = "path" if known.in_path else "query"
        # A text that is too long would hide the rest of the example.
        is_shown = len(known.refuses) <= MAX_NAME
        request = {place: {known.name: known.refuses}} if is_shown else {}
        yield shown(f"A bad `{known.name}`", refusal_by(known), **request)


def refusal_by(known: Parameter[Any]) -> InvalidInput:
    try:
        known.value_of(known.refuses)
    except InvalidInput as refused:
        return refused
    raise AssertionError(f"{known.name} takes {known.refuses}")


def shown(summary: str, refused: InvalidInput, **request: Json) -> Json:
    return openapi.error(summary, refused.code, refused.message, refused.field, **request)


def errors_of(route: Route[Any], errors: Iterable[Json]) -> Json:
    """The first of each code; a request that one tells asks for what the route requires, too."""
    found: Json = {}
    for described in errors:
        request = described.get("x-request")
        if request is not None:
            whole = request | asking(route, request.get("query", {}))
            described = described | {"x-request": whole}
        found.setdefault(described["value"]["code"], described)
    return found
