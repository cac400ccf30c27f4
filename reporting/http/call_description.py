"""The calls of an admin in OpenAPI."""

from collections.abc import Iterable, Iterator
from typing import Any, get_type_hints

import msgspec

from reporting.admin.call import SITE, Call
from reporting.http.calls import NOT_JSON, TOO_LARGE
from reporting.http.description import (
    KEYS_UNKNOWN,
    TOO_MANY,
    UNAUTHORIZED,
    UNKNOWN_HOST,
    asking,
    parameter_of,
    refusals_of,
)
from reporting.http.from_here import KEY_NEEDED, OTHER_ORIGIN
from reporting.route import DATABASE_FAULTS, Example, failure, moment_of
from shared.http import openapi
from shared.http.openapi import JSON_TYPE, KEY_OR_OPEN, RETRY_AFTER, Json
from shared.keys.keys import Key, Kind, all_sites, other_site, wrong_kind

NOT_ADMIN = wrong_kind(Key("", Kind.INGEST), Kind.ADMIN)
WRONG_KEY = failure("A key for posting", "wrong_key", NOT_ADMIN.message)
ELSEWHERE = failure("From elsewhere, without keys", "key_needed", KEY_NEEDED)
OTHER_PAGE = failure("From another website's page", "other_origin", OTHER_ORIGIN)
STRANGE_HOST = failure("Another name", "unknown_host", UNKNOWN_HOST)
ONE_SITE, ANOTHER = ("shop",), "blog"
OF_ONE = all_sites(ONE_SITE)
OF_OTHER = other_site(ONE_SITE, ANOTHER)
NO_STORE = openapi.fixed_header("Cache-Control", "`no-store`.", example="no-store")
REFUSED = {404: "There is none.", 409: "Not as things are."}
TYPE_AND_SIZE: Json = {
    "413": openapi.refusal(
        "Too large; nothing was changed.",
        too_large=openapi.error("A body over the bound", "too_large", TOO_LARGE),
    ),
    "415": openapi.refusal(
        "Not JSON, by its own word; nothing was changed.",
        unsupported_type=openapi.error(
            "Another type", "unsupported_type", NOT_JSON, "Content-Type"
        ),
    ),
}
NO_JSON = "the body is not JSON: Input data was truncated"
BROKEN = {"body": "{", "headers": {"Content-Type": JSON_TYPE}}
NO_OBJECT = "the body must be a JSON object: Expected `object`, got `array`"
FORBIDDEN = "A key of another kind or site; without `API_AUTH`, whoever asks from elsewhere."
AWAY = "For now; try again after `Retry-After`."


def call_paths_and_schemas(calls: Iterable[Call]) -> tuple[Json, Json]:
    """What a document says of them, and the schemas that it refers to."""
    every = tuple(calls)
    types: list[Any] = []
    for call in every:
        types.append(get_type_hints(call.work, include_extras=True)["return"])
        types += [call.body.schema] if call.body else []
    template = openapi.ref("{name}")["$ref"]
    found, schemas = msgspec.json.schema_components(types, ref_template=template)
    described = iter(found)
    paths: Json = {}
    for call in every:
        answer, body = next(described), next(described) if call.body else None
        paths.setdefault(call.path, {})[call.method] = operation_of(call, answer, body, schemas)
    # As it will be read: a tuple is a list there.
    described_as: tuple[Json, Json] = msgspec.json.decode(msgspec.json.encode((paths, schemas)))
    return described_as


def operation_of(call: Call, answer: Json, body: Json | None, schemas: Json) -> Json:
    about = schemas[answer["$ref"].rpartition("/")[2]]["description"]
    content = {JSON_TYPE: {"schema": answer, "examples": examples_of(call.examples)}}
    more: Json = {}
    if call.parameters:
        more["parameters"] = [parameter_of(known, {}) for known in call.parameters]
    if call.body is not None:
        examples = {
            name: openapi.example(name.capitalize(), dict(value))
            for name, value in call.body.examples.items()
        }
        media = {"schema": body, "examples": examples}
        more["requestBody"] = {"required": call.body.is_required, "content": {JSON_TYPE: media}}
    faults = [*DATABASE_FAULTS, TOO_MANY, KEYS_UNKNOWN]
    served = examples_of(fault._replace(asked=usual(call)) for fault in faults)
    return openapi.operation(
        "settings",
        call.summary,
        call.description,
        {
            str(call.status): {"description": about, "headers": NO_STORE, "content": content},
            "400": openapi.refusal("Not as it should be.", **examples_of(bad_of(call))),
            "401": UNAUTHORIZED,
            "403": openapi.refusal(FORBIDDEN, **examples_of(forbidden(call))),
            **{
                str(status): openapi.refusal(REFUSED[status], **examples_of(examples))
                for status, examples in call.refusals.items()
                if status != 400
            },
            **(TYPE_AND_SIZE if call.body else {}),
            "503": openapi.refusal(AWAY, headers=RETRY_AFTER, **served),
        },
        security=KEY_OR_OPEN,
        **more,
    )


def usual(call: Call) -> Json:
    """What is sent, where something else is wrong."""
    return {} if call.body is None else {"body": dict(next(iter(call.body.examples.values())))}


def forbidden(call: Call) -> Iterator[Example]:
    yield from (WRONG_KEY, ELSEWHERE, STRANGE_HOST)
    if call.method != "get":
        yield OTHER_PAGE
    if call.is_for_all:
        yield failure("A key of some sites", OF_ONE.code, OF_ONE.message, OF_ONE.field, usual(call))
    elif call.takes_site:
        asked = usual(call) | ({"path": {"site_id": ANOTHER}} if SITE in call.parameters else {})
        summary = "A key of another site"
        yield failure(summary, OF_OTHER.code, OF_OTHER.message, OF_OTHER.field, asked)


def bad_of(call: Call) -> Iterator[Example]:
    """What is answered with 400: by its parameters, and by its body."""
    for shown in refusals_of(call.parameters, moment_of, {}):
        # With what else is sent, for what the body lacks would be said first.
        asked = None if shown.asked is None else asking(call.parameters, shown.asked)
        yield shown._replace(asked=asked)
    if call.body is not None:
        yield failure("No JSON", "invalid_json", NO_JSON, None, BROKEN)
        yield failure("No object", "bad_body", NO_OBJECT, None, {"body": []})
    yield from call.refusals.get(400, ())


def examples_of(examples: Iterable[Example]) -> Json:
    """The first of each name."""
    described: Json = {}
    for shown in examples:
        value = msgspec.to_builtins(shown.value)
        asked = dict(shown.asked) if shown.asked else None
        described.setdefault(shown.name, openapi.example(shown.summary, value, asked))
    return described
