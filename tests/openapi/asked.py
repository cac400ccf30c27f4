"""One service held to its OpenAPI document by schemathesis: whatever is asked, it answers as the
document says.

The same questions in each run. `EXAMPLES` asks more of each route, `SEED` others: `make fuzz`.
"""

import copy
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext

from tests.documented import Json, conforms, operations_of

EXAMPLES = int(os.environ.get("EXAMPLES", "10"))
SEED = int(os.environ.get("SEED", "1"))
MOST_TOLD = 10
# Every method that a client can think of, but OPTIONS, which all routes answer, and HEAD.
METHODS = ("get", "put", "post", "delete", "patch", "trace", "query")
REFUSED, WRONG_METHOD = 401, 405

schemathesis.serializer("application/x-ndjson")(lambda _, value: str(value).encode())


# What a schema cannot say, so that schemathesis takes it for a fault: whether that is all, by what
# it found, of which operation, and the body of the answer where that is a JSON object.
Excuse = Callable[[type[Failure], str, Json], bool]


@dataclass
class Found:
    """What became of all questions."""

    # How many answers there were of each status, by operation.
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    # Each kind of fault once, with a request that shows it.
    faults: dict[tuple[str, ...], str] = field(default_factory=dict)

    def told(self) -> str:
        shown = list(self.faults.values())[:MOST_TOLD]
        return "\n\n".join([f"{len(self.faults)} faults, with SEED={SEED}:", *shown])


def body_of(response: Response) -> Json:
    """The answer's JSON object; empty where it has none."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


@schemathesis.check
def refusals_are_documented(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """Each refusal has the shape of an error, and a code that is among its status's examples."""
    if response.status_code < 400:
        return
    document: Any = case.operation.schema.raw_schema
    body = body_of(response)
    if response.status_code == WRONG_METHOD:
        conforms(document, {"$ref": "#/components/schemas/Error"}, body)
        assert body["code"] == "method_not_allowed"
        return
    answers = case.operation.definition.raw["responses"]
    if str(response.status_code) not in answers:
        return  # another check says so
    # Of several events, none of which is taken, the code is the first one's.
    statuses = [response.status_code, *((403, 413) if "rejected" in body else ())]
    of_each = [answers[str(n)]["content"]["application/json"]["examples"] for n in statuses]
    codes = {shown["value"]["code"] for examples in of_each for shown in examples.values()}
    assert body["code"] in codes, f"{response.status_code} is not documented with this code"


def closed(document: Json) -> Json:
    """The document, in whose answers is nothing but what it names."""
    strict = copy.deepcopy(document)
    for _, _, operation in operations_of(strict):
        for answer in operation["responses"].values():
            close(answer.get("content", {}), strict["components"]["schemas"], set())
    return strict


def close(node: Any, schemas: Json, seen: set[str]) -> None:
    if isinstance(node, dict):
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            close(schemas[name], schemas, seen)
        if isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
        for each in (value for key, value in node.items() if key != "examples"):
            close(each, schemas, seen)
    elif isinstance(node, list):
        for each in node:
            close(each, schemas, seen)


def config_of(
    names: Mapping[str, Iterable[str]],
    headers: Mapping[str, str],
    expected: Iterable[str],
    is_refused: bool,
    url: str,
) -> SchemathesisConfig:
    """`names` are texts that there are, by the parameter in which they are mostly given."""
    settings: Json = {
        "seed": SEED,
        "continue-on-failure": True,
        "headers": dict(headers),
        "generation": {
            "max-examples": EXAMPLES,
            "deterministic": True,
            "with-security-parameters": False,
        },
        "checks": {
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", *expected]},
            "negative_data_rejection": {"expected-statuses": ["4xx", *expected]},
        },
        "dictionaries": {name: {"values": list(texts)} for name, texts in names.items()},
        "parameters": {name: {"dictionary": name, "probability": 0.7} for name in names},
        "phases": {
            "coverage": {
                "generate-duplicate-query-parameters": True,
                "unexpected-methods": list(METHODS),
            },
            # Whose key is refused may ask what it likes.
            "fuzzing": {"enabled": not is_refused},
            "stateful": {"enabled": False},
        },
    }
    if url:
        settings["base-url"] = url
    return SchemathesisConfig.from_dict(settings)


def ask(
    document: Json,
    app: Any = None,
    *,
    url: str = "",
    names: Mapping[str, Iterable[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    expected: Iterable[str] = (),
    is_refused: bool = False,
    excuses: Iterable[Excuse] = (),
) -> Found:
    """Put all questions to a WSGI application, or to the server at `url`. `expected` are statuses
    from 500 on that are right just now; `is_refused` asks less, of whom no question is heard."""
    config = config_of(names or {}, headers or {}, expected, is_refused, url)
    schema = schemathesis.openapi.from_dict(closed(document), config=config)
    schema.app = app
    excused = tuple(excuses)

    @schema.hook
    def filter_failure(
        context: HookContext, failure: Failure, case: Case[Any], response: Response
    ) -> bool:
        told = type(failure), case.operation.label, body_of(response)
        return not any(excuse(*told) for excuse in excused)

    found = Found()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            note_answers(found, event)
        elif isinstance(event, events.NonFatalError):
            found.faults[event.label, repr(event.value)] = f"{event.label}: {event.value!r}"
        elif isinstance(event, events.FatalError):
            raise event.exception
    return found


def note_answers(found: Found, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    for case_id, exchange in recorder.interactions.items():
        answer = exchange.response
        if answer is not None:
            found.statuses[recorder.label][answer.status_code] += 1
        for check in recorder.checks.get(case_id, ()):
            if check.failure_info is not None:
                failure = check.failure_info.failure
                got = f"{answer.status_code} {answer.content[:500]!r}" if answer else "no answer"
                lines = [f"{recorder.label}: {check.name}: {failure.title}", failure.message]
                found.faults[recorder.label, check.name, failure.title, failure.message] = (
                    "\n".join([*lines, check.failure_info.code_sample, got])
                )


def locked(document: Json) -> Iterator[str]:
    """The operations that ask for a key, as schemathesis calls them."""
    for path, method, operation in operations_of(document):
        if operation["security"]:
            yield f"{method.upper()} {path}"
