"""What the OpenAPI documents of both services are made of: answers, errors, common routes, curls.

An example is a claim: the tests send each one to a running service. `x-request` beside an error's
example is the request that is answered so.
"""

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

Json = dict[str, Any]

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain"

ERROR_SCHEMA: Json = {
    "type": "object",
    "description": "Every answer that is not a success has this shape.",
    "required": ["status", "code", "error"],
    "properties": {
        "status": {"const": "error"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "error": {"type": "string", "description": "A sentence for people."},
        "field": {"type": "string", "description": "What is to blame, where one thing is."},
    },
}

# Either scheme carries the same key; the empty one stands for a service without API_AUTH.
KEY_OR_OPEN: list[Json] = [{}, {"key": []}, {"bearer": []}]
SECURITY_SCHEMES: Json = {
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: <key>`: that of `API_AUTH`, or one of `footfall keys`.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer <key>`, the same key.",
    },
}


def fixed_header(name: str, description: str, **more: Any) -> Json:
    """A header that an answer always has, by its name."""
    described = {"description": description, "required": True, "schema": {"type": "string"}}
    return {name: described | more}


RETRY_AFTER = fixed_header(
    "Retry-After",
    "Seconds to wait before trying again.",
    schema={"type": "integer", "minimum": 1},
)


def example(summary: str, value: object, request: Json | None = None) -> Json:
    """One example; `request` tells what provokes it (`body`, `headers`, `query`)."""
    described: Json = {"summary": summary, "value": value}
    return described if request is None else described | {"x-request": request}


def error(summary: str, code: str, message: str, field: str | None = None, **request: Any) -> Json:
    """The example of an error answer, and the request that provokes it."""
    value = {"status": "error", "code": code, "error": message}
    if field is not None:
        value["field"] = field
    return example(summary, value, request or None)


def answer(description: str, schema: str, examples: Json, *, headers: Json | None = None) -> Json:
    """A JSON answer of the named schema."""
    media = {"schema": ref(schema), "examples": examples}
    described: Json = {"description": description, "content": {JSON_TYPE: media}}
    return described if headers is None else described | {"headers": headers}


def refusal(description: str, *, headers: Json | None = None, **examples: Json) -> Json:
    """An error answer; each example is named by its code or by what distinguishes it."""
    return answer(description, "Error", examples, headers=headers)


def ref(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def operation(tag: str, summary: str, description: str, responses: Json, **more: Any) -> Json:
    """What a route does; without `security` in `more`, it asks for no key."""
    described = {"tags": [tag], "summary": summary, "description": description, "security": []}
    return {**described, **more, "responses": responses}


def same_as(path: str, operation: Json) -> Json:
    """The operation of another name for `path`; the page shows it there only."""
    described = {"summary": f"The same as {path}", "description": "Another name for it."}
    return {**operation, **described, "x-same-as": path}


def query(name: str, schema: Json, description: str, **more: Any) -> Json:
    """A query parameter; `example` is part of the operation's curl."""
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def header(value: str, description: str) -> Json:
    """A header of an answer, as it is in the examples."""
    return {"description": description, "schema": {"type": "string"}, "example": value}


def document(
    title: str, description: str, *, address: str, tags: list[Json], paths: Json, schemas: Json
) -> Json:
    """The whole document, a curl with each operation."""
    whole: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": "0.1.0",
            "description": description,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": address, "description": "Where it was asked for."}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR_SCHEMA, **schemas},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }
    for path, operations in paths.items():
        for method, operation in operations.items():
            source = curl(address + with_examples(path, operation), method, operation)
            operation["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": source}]
    return whole


def with_examples(path: str, operation: Mapping[str, Any]) -> str:
    """The path with an example in the place of each of its parameters."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            part = quote(parameter["example"], safe=":")
            path = path.replace(f"{{{parameter['name']}}}", part)
    return path


def curl(url: str, method: str, operation: Mapping[str, Any]) -> str:
    """A command to paste: the operation's first example, sent with curl."""
    parameters = [p for p in operation.get("parameters", ()) if "example" in p]
    asked = {p["name"]: p["example"] for p in parameters if p["in"] == "query"}
    headers = {p["name"]: p["example"] for p in parameters if p["in"] == "header"}
    parts = [f"curl {shlex.quote(f'{url}?{urlencode(asked)}') if asked else url}"]
    if method == "options":
        parts.append("-i -X OPTIONS")
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    if "image/gif" in operation["responses"].get("200", {}).get("content", ()):
        parts.append("-o pixel.gif")
    if "requestBody" in operation:
        media_type, media = next(iter(operation["requestBody"]["content"].items()))
        value = next(iter(media["examples"].values()))["value"]
        body = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        parts += [f"-H {shlex.quote(f'Content-Type: {media_type}')}", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(parts)


def common_paths(
    *,
    security: list[Json],
    ready: Json,
    not_ready: Json,
    refused: Json,
    metrics: str,
    not_described: Json | None = None,
) -> Json:
    """Health, readiness, metrics and documentation; `ready` and `not_ready` are examples, `refused`
    are answers where the numbers are asked for without a key, `not_described` those to whom the
    documentation is not shown."""

    def told(summary: str, description: str, media_type: str, answered: str, **media: Any) -> Json:
        content = {media_type: {"schema": {"type": "string"}, **media}}
        answers = {"200": {"description": answered, "content": content}}
        return operation("operation", summary, description, answers)

    def described(*said: str, **media: Any) -> Json:
        page = told(*said, **media)
        return {"get": {**page, "responses": page["responses"] | (not_described or {})}}

    numbers = told(
        "Numbers about the service",
        "Prometheus text: what this service did, and how much waits where.",
        TEXT_TYPE,
        "The numbers.",
        examples={"some": example("Some of the lines", metrics)},
    )
    numbers["security"] = security
    numbers["responses"] |= refused

    up = answer("It is.", "Status", {"up": example("Up", {"status": "ok"})})
    able = answer("It can.", "Status", ready)
    unable = refusal("Not now; the reason is in `error`.", headers=RETRY_AFTER, **not_ready)
    health = operation(
        "operation",
        "Is the process up?",
        "Asks nothing of Redis or the database. For a restart policy.",
        {"200": up},
    )
    readiness = operation(
        "operation",
        "Can it do its work?",
        "Asks what it depends on. For a load balancer.",
        {"200": able, "503": unable},
    )
    return {
        "/health": {"get": health},
        "/ready": {"get": readiness},
        "/metrics": {"get": numbers},
        "/openapi.json": described(
            "This description, for programs",
            "OpenAPI 3.1.",
            JSON_TYPE,
            "The document.",
            schema={"type": "object"},
        ),
        "/docs": described(
            "This description, for people",
            "One page; it loads nothing from elsewhere.",
            "text/html",
            "The page.",
        ),
    }


STATUS_SCHEMA: Json = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "string"},
        "warnings": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Of `/ready`: what whoever runs it should know all the same.",
        },
    },
}
