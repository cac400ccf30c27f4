"""What a call is: a route that shows or changes what is set, and how its body is read.

To add one, write its function and its Call, and list that in `reporting/http/calls.py`. Whoever
calls has an admin key, or asks from this machine where nobody needs one:
`reporting/http/from_here.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec

from reporting.admin.desk import Desk
from reporting.ask.parameter import Asked, Parameter
from reporting.ask.parameters import NAME
from reporting.route import Example, failure
from shared.errors import InvalidInput
from shared.keys.keys import Key, other_site

T = TypeVar("T")
AT_FIELD = re.compile(r"(.*) - at `\$\.(\w+).*`", re.DOTALL)
NO_FIELD = re.compile(r"Object contains unknown field `(.*)`")
MISSING = re.compile(r"Object missing required field `(\w+)`")

SITE = Parameter("site_id", "Which site.", NAME, example="shop", in_path=True)
KEY_ID = Parameter("key_id", "Which key.", NAME, example="Xk3vPq9T", in_path=True)


class Asking(NamedTuple):
    """What is asked: by whom, with which parameters, and which body; `now` is in ms."""

    caller: Key
    asked: Asked
    body: bytes
    now: int

    @property
    def site_id(self) -> str:
        """The site in the path. Raises InvalidInput where the caller's key is not for it."""
        return self.own(self.asked[SITE])

    def own(self, site_id: str) -> str:
        if self.is_for(site_id):
            return site_id
        raise other_site(self.caller.sites, site_id)

    def is_for(self, site_id: str) -> bool:
        return not self.caller.sites or site_id in self.caller.sites

    def read(self, kind: type[T]) -> T:
        """The body as this; without one, an empty object. Raises InvalidInput."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except msgspec.ValidationError as error:
            raise not_as_it_should_be(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput("invalid_json", f"the body is not JSON: {error}") from error


def not_as_it_should_be(message: str) -> InvalidInput:
    """With the field that is to blame, where one is."""
    if found := NO_FIELD.match(message):
        return InvalidInput("unknown_field", f"there is no {found[1]} to give", field=found[1])
    if found := MISSING.match(message):
        return InvalidInput("missing_field", f"{found[1]} required", field=found[1])
    if found := AT_FIELD.fullmatch(message):
        sentence = f"{found[2]}: {found[1][0].lower()}{found[1][1:]}"
        return InvalidInput("bad_field", sentence, field=found[2])
    return InvalidInput("bad_body", f"the body must be a JSON object: {message}")


class Body(NamedTuple):
    """What is sent: its type, and examples by the names of the answers that they get."""

    schema: type[msgspec.Struct]
    examples: Mapping[str, Mapping[str, Any]]
    is_required: bool = True


@dataclass(frozen=True)
class Call:
    """One method of one path. The return type of `work` is the schema of the answer; the first of
    `examples` is the curl, `refusals` are what else it answers, by status."""

    method: str
    path: str
    summary: str
    description: str
    work: Callable[[Desk, Asking], Any]
    examples: tuple[Example, ...]
    parameters: tuple[Parameter[Any], ...] = ()
    body: Body | None = None
    status: int = 200
    # It takes a key that is for all sites.
    is_for_all: bool = False
    refusals: Mapping[int, tuple[Example, ...]] = field(default_factory=dict)

    @property
    def takes_site(self) -> bool:
        """Whether it is about one site, which the caller's key has to be for."""
        return SITE in self.parameters or (
            self.body is not None and SITE.name in self.body.schema.__struct_fields__
        )


def refused(
    error: InvalidInput, summary: str, body: Mapping[str, Any] | None = None, **path: str
) -> Example:
    """The example of an error, and the request that is answered so."""
    request: dict[str, Any] = {"path": path} if path else {}
    if body is not None:
        request["body"] = body
    return failure(summary, error.code, error.message, error.field, request or None)
