"""The examples of an OpenAPI document, each with the request that it says is answered so."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

Json = dict[str, Any]


class Example(NamedTuple):
    """One documented answer."""

    method: str
    path: str
    status: int
    name: str
    value: Any
    headers: Json
    request: Json

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status} {self.name}"


def operations_of(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def examples_of(document: Json) -> list[Example]:
    return [
        Example(
            method,
            path,
            int(status),
            name,
            example["value"],
            answer.get("headers", {}),
            path_of(operation) | (example.get("x-request") or request_of(operation, name)),
        )
        for path, method, operation in operations_of(document)
        for status, answer in operation["responses"].items()
        for media in answer.get("content", {}).values()
        for name, example in media.get("examples", {}).items()
    ]


def path_of(operation: Json) -> Json:
    """The part of a request that is in its path: the examples of those parameters."""
    parameters = operation.get("parameters", ())
    return {"path": {p["name"]: p["example"] for p in parameters if p["in"] == "path"}}


def request_of(operation: Json, name: str) -> Json:
    """The body's example of the same name, and the examples of the parameters."""
    request: Json = {"query": {}, "headers": {}}
    for parameter in operation.get("parameters", ()):
        if "example" in parameter and parameter["in"] != "path":
            place = "query" if parameter["in"] == "query" else "headers"
            request[place][parameter["name"]] = parameter["example"]
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        if name in media["examples"]:
            request["body"] = media["examples"][name]["value"]
            request["headers"]["Content-Type"] = media_type
    return request


def send(app: Flask, method: str, path: str, request: Json) -> TestResponse:
    """Send a described request; `environ` in it holds what only a test can cause."""
    for name, value in request.get("path", {}).items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    body = request.get("body")
    return app.test_client().open(
        path,
        method=method.upper(),
        query_string=request.get("query"),
        headers=request.get("headers"),
        environ_overrides=request.get("environ", {}),
        **({"data": body} if isinstance(body, str | bytes | None) else {"json": body}),
    )


def conforms(document: Json, schema: Json, value: object) -> None:
    """Raises jsonschema.ValidationError where the value is not as the schema says."""
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)
