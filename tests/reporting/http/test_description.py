"""What the description says follows from the routes, and cannot say anything else."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from reporting.ask.parameter import Asked, Kind, Parameter
from reporting.http.description import paths_and_schemas
from reporting.http.openapi import OPENAPI
from reporting.http.routes import ROUTES
from reporting.route import Example, Route, Sources
from shared.errors import InvalidInput

EVERY_ROUTE = [route for routes in ROUTES.values() for route in routes]
each_route = pytest.mark.parametrize("route", EVERY_ROUTE, ids=lambda route: route.paths[0])


def operation_of(route: Route[Any]) -> dict[str, Any]:
    described: dict[str, Any] = OPENAPI["paths"][route.paths[0]]["get"]
    return described


def codes_of(operation: dict[str, Any], status: str) -> set[str]:
    examples = operation["responses"][status]["content"]["application/json"]["examples"]
    return {example["value"]["code"] for example in examples.values()}


@each_route
def test_every_code_by_which_a_parameter_is_refused_has_an_example(route: Route[Any]) -> None:
    refused = set()
    for known in route.parameters:
        with pytest.raises(InvalidInput) as caught:
            known.value_of(known.kind.refuses)
        refused.add(caught.value.code)
        if known.is_required and not known.in_path:
            refused.add("missing_field")
    assert refused | {"unknown_parameter"} <= codes_of(operation_of(route), "400")


@each_route
def test_what_must_be_given_has_an_example(route: Route[Any]) -> None:
    for parameter in operation_of(route)["parameters"]:
        assert parameter["example"] if parameter.get("required") else True
    for known in route.parameters:
        if known.is_required:
            known.value_of(known.example)


@each_route
def test_the_bounds_described_are_those_that_are_checked(route: Route[Any]) -> None:
    for known in route.parameters:
        schema = known.kind.schema
        texts = [str(choice) for choice in schema.get("enum", ())]
        if "maxLength" in schema:
            texts.append("x" * schema["maxLength"])
        if "maximum" in schema:
            texts += [str(schema["minimum"]), str(schema["maximum"])]
            assert known.default == schema["default"]
        for text in texts:
            known.value_of(text)


@each_route
def test_other_names_of_a_route_lead_to_its_description(route: Route[Any]) -> None:
    for other in route.paths[1:]:
        described = OPENAPI["paths"][other]["get"]
        assert described["x-same-as"] == route.paths[0]
        assert described["responses"] == operation_of(route)["responses"]


class Made(msgspec.Struct):
    """Made for a test."""

    word: str


def made(_sources: Sources, word: str) -> Made:
    return Made(word)


A_ROUTE: Route[str] = Route(
    ("/made",), "Made", "For a test.", made, (Example("one", "One", Made("one")),)
)


def anything(_name: str, text: str) -> str:
    return text


def test_a_refusal_that_is_none_is_found_at_once() -> None:
    careless = Parameter("word", "Any.", Kind({"type": "string"}, anything, "refused?"), None)
    with pytest.raises(AssertionError, match="is taken"):
        paths_and_schemas({"made": [replace(A_ROUTE, parameters=(careless,))]})


def test_what_is_wrong_as_a_whole_is_answered_by_the_routes_own_query() -> None:
    def refuse(_asked: Asked, _now: int) -> str:
        raise InvalidInput("bad_whole", "less than its parts")

    route = replace(A_ROUTE, query=refuse, wrong={"All of it": {}})
    described, _ = paths_and_schemas({"made": [route]})
    assert "bad_whole" in codes_of(described["/made"]["get"], "400")


def test_the_schema_is_what_the_function_returns() -> None:
    described, schemas = paths_and_schemas({"made": [A_ROUTE]})
    answer = described["/made"]["get"]["responses"]["200"]
    assert answer["description"] == "Made for a test."
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Made")
    assert schemas["Made"]["properties"] == {"word": {"type": "string"}}
