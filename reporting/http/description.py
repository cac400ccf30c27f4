"""Routes in OpenAPI: parameters, the answer with its examples, and the errors that they imply."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from reporting.ask.parameter import Asked, Parameter, asked_from
from reporting.ask.parameters import SITE
from reporting.http.delivery import CSV, HEADERS, csv_text
from reporting.http.seats import BUSY, BUSY_SENTENCE
from reporting.route import Example, Route, failure
from shared.errors import InvalidInput
from shared.http import openapi
from shared.http.openapi import JSON_TYPE, KEY_OR_OPEN, RETRY_AFTER, Json
from shared.keys.keys import Key, Kind, all_sites, keys_unknown, other_site, wrong_kind

UNAUTHORIZED = openapi.refusal(
    "No key where one is needed, or a wrong one; only with `API_AUTH` set.",
    unauthorized=openapi.error("No key", "unauthorized", "a valid API key is required"),
)
UNKNOWN_HOST = (
    "without API_AUTH this service is asked under localhost, an address or the machine's name: any "
    "other in Host may be a website's that leads here; set API_AUTH, or ALLOW_OPEN=true"
)
WRONG_KEY = wrong_kind(Key("", Kind.INGEST), Kind.READ)
OTHER = ["shop"]
ANOTHER_NAME = openapi.error("Another name", "unknown_host", UNKNOWN_HOST)
TOO_MANY = failure("Too many questions at a time", BUSY, BUSY_SENTENCE)
KEYS_UNKNOWN = failure(
    "The database is away, and has told of no keys", "keys_unknown", str(keys_unknown())
)
Parameters = Sequence[Parameter[Any]]
Query = Callable[[Asked, int], Any]
Wrong = Mapping[str, Mapping[str, Any]]
AWAY = "For now; try again after `Retry-After`."
UNCHANGED = {"304": {"description": "As it was when the `If-None-Match` was given."}}


def paths_and_schemas(routes: Mapping[str, Iterable[Route[Any]]]) -> tuple[Json, Json]:
    """What a document says of the routes of each tag, and the schemas that it refers to."""
    tagged = [(tag, route) for tag, of_tag in routes.items() for route in of_tag]
    hints = (get_type_hints(route.answer, include_extras=True) for _, route in tagged)
    types = [hint["return"] for hint in hints]
    template = openapi.ref("{name}")["$ref"]
    answers, schemas = msgspec.json.schema_components(types, ref_template=template)
    paths: Json = {}
    for (tag, route), schema in zip(tagged, answers, strict=True):
        if "$ref" not in schema:  # a list, which has no class that names it
            schemas[schema["title"]] = schema
            schema = openapi.ref(schema["title"])
        about = schemas[schema["$ref"].rpartition("/")[2]]["description"]
        good = {"description": about, **answer_of(route, schema)}
        described = operation_of(tag, route, good)
        first, *others = route.paths
        paths[first] = {"get": described}
        paths |= {other: {"get": openapi.same_as(first, described)} for other in others}
    return paths, schemas


def strange(error: InvalidInput, **request: Any) -> Json:
    """Who may not ask this; `error` is what whoever has a key of another site is told."""
    return openapi.refusal(
        "A `Host` that others may have, without `API_AUTH`; with it, a key for something else.",
        unknown_host=ANOTHER_NAME,
        wrong_key=openapi.error("A key for posting", "wrong_key", WRONG_KEY.message),
        other_site=openapi.error(
            "A key of another site", error.code, error.message, error.field, **request
        ),
    )


def strange_to(route: Route[Any]) -> Json:
    asked = asking(route.parameters, route.examples[0].asked or {})["query"]
    if SITE.name in asked:
        return strange(other_site(OTHER, asked[SITE.name]))
    if route.shows_own:
        return strange(other_site(OTHER, SITE.example), query={SITE.name: SITE.example})
    return strange(all_sites(OTHER))


# Also of what needs no key.
NOT_UNDER_THIS_NAME = {
    "403": openapi.refusal(
        "A `Host` that others may have, without `API_AUTH`.", unknown_host=ANOTHER_NAME
    )
}
# What is answered about a service as a whole to whoever may not ask it, or not now.
REFUSED = {
    "401": UNAUTHORIZED,
    "403": strange(all_sites(OTHER)),
    "503": openapi.refusal(
        AWAY,
        headers=RETRY_AFTER,
        keys_unknown=openapi.example(KEYS_UNKNOWN.summary, KEYS_UNKNOWN.value),
    ),
}


def operation_of(tag: str, route: Route[Any], good: Json) -> Json:
    faults = examples_of(route, [*route.faults, TOO_MANY, KEYS_UNKNOWN])
    own = refusals_of(route.parameters, route.query, route.wrong)
    refusals = examples_of(route, [*own, *route.refusals])
    return openapi.operation(
        tag,
        route.summary,
        route.description,
        {
            "200": good,
            **(UNCHANGED if "ETag" in good["headers"] else {}),
            "400": openapi.refusal("Bad parameters.", **refusals),
            "401": UNAUTHORIZED,
            "403": strange_to(route),
            "503": openapi.refusal(AWAY, headers=RETRY_AFTER, **faults),
        },
        security=KEY_OR_OPEN,
        parameters=[
            parameter_of(known, route.examples[0].asked or {}) for known in route.parameters
        ],
    )


def parameter_of(known: Parameter[Any], asked: Mapping[str, Any]) -> Json:
    """`asked` has the examples of those that need not be given."""
    place = {"in": "path" if known.in_path else "query"}
    described = openapi.query(known.name, known.kind.schema, known.description) | place
    if known.is_required:
        not_empty = {"minLength": 1} if "maxLength" in known.kind.schema else {}
        schema = known.kind.schema | not_empty
        return described | {"schema": schema, "required": True, "example": known.example}
    described["allowEmptyValue"] = True  # as if it was not given
    return described | ({"example": asked[known.name]} if known.name in asked else {})


def answer_of(route: Route[Any], schema: Json) -> Json:
    content = {JSON_TYPE: {"schema": schema, "examples": examples_of(route, route.examples)}}
    if route.table is not None:
        first = route.examples[0]
        asked = {**(first.asked or {}), "format": "csv"}
        rows = Example("csv", "As CSV", csv_text(first.value, route.table), asked)
        examples = examples_of(route, [rows])
        content[CSV] = {"schema": {"type": "string"}, "examples": examples}
    return {"headers": HEADERS[route.kept], "content": content}


def examples_of(route: Route[Any], examples: Iterable[Example]) -> Json:
    """The first of each name."""
    described: Json = {}
    for shown in examples:
        value = msgspec.to_builtins(shown.value)
        request = None if shown.asked is None else asking(route.parameters, shown.asked)
        described.setdefault(shown.name, openapi.example(shown.summary, value, request))
    return described


def asking(parameters: Parameters, asked: Mapping[str, Any]) -> Json:
    """A request of these values and of what is required; None leaves one out."""
    needed = {known.name: known.example for known in parameters if known.is_required}
    values = {name: value for name, value in {**needed, **asked}.items() if value is not None}
    path = {known.name: values.pop(known.name) for known in parameters if known.in_path}
    return {"query": values, "path": path} if path else {"query": values}


def refusals_of(parameters: Parameters, query: Query, wrong: Wrong) -> Iterator[Example]:
    """What their own parsing answers to requests that are wrong in one way each."""
    names = [known.name for known in parameters if not known.in_path]
    for known in parameters:
        if known.is_required and not known.in_path:
            summary = f"Without `{known.name}`"
            yield refusal(parameters, query, summary, {known.name: None})
        yield refusal(parameters, query, f"A bad `{known.name}`", {known.name: known.kind.refuses})
    typo = f"{names[-1]}s" if names else "page"
    yield refusal(parameters, query, "A parameter it does not know", {typo: "x"})
    if names:
        yield refusal(parameters, query, "A parameter given twice", {names[0]: ["a", "b"]})
    for summary, asked in wrong.items():
        yield refusal(parameters, query, summary, asked)


def refusal(
    parameters: Parameters, query: Query, summary: str, asked: Mapping[str, Any]
) -> Example:
    request = asking(parameters, asked)
    texts = {n: v if isinstance(v, list) else [v] for n, v in request["query"].items()}
    try:
        query(asked_from(parameters, texts, request.get("path", {})), 0)
    except InvalidInput as error:
        # A text that is too long would hide the rest of the example.
        shown = None if error.code == "too_long" else asked
        return failure(summary, error.code, error.message, error.field, shown)
    raise AssertionError(f"{asked} is taken")
