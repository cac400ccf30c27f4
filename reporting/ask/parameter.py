"""What a parameter is, and how those of a request are read: each once, none that is not known."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.errors import InvalidInput
from shared.sites.settings import NOTHING_SET, SiteSettings

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
# The default of what must be given.
REQUIRED: Any = object()


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """How a text is read: what JSON Schema says of it, a function of the parameter's name and the
    text that raises InvalidInput, and a text for which it does."""

    schema: dict[str, Any]
    read: Callable[[str, str], T_co]
    refuses: str


@dataclass(frozen=True)
class Parameter(Generic[T]):
    """One parameter of the query string or, with `in_path`, a part of the path. What must be given
    has an `example`."""

    name: str
    description: str
    kind: Kind[T]
    default: T = REQUIRED
    example: str = ""
    in_path: bool = False

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    def value_of(self, text: str | None) -> T:
        """What its text says; where there is none, the default. Raises InvalidInput."""
        if text is not None:
            return self.kind.read(self.name, text)
        if self.is_required:
            choices = ", ".join(self.kind.schema.get("enum", ()))
            hint = f": one of {choices}" if choices else ""
            raise InvalidInput("missing_field", f"{self.name} required{hint}", field=self.name)
        return self.default


class Asked:
    """What a request asks: the value of each parameter, looked up by its declaration."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        # Of whoever has a key of some sites; none where it is for all.
        self.only: Sequence[str] = ()
        # What is set for the one site that is asked about.
        self.site: SiteSettings = NOTHING_SET

    def __getitem__(self, parameter: Parameter[T]) -> T:
        value: T = self.values[parameter.name]
        return value


def asked_from(
    parameters: Collection[Parameter[Any]],
    query: Mapping[str, list[str]],
    path: Mapping[str, str],
) -> Asked:
    """Raises InvalidInput naming the first parameter that is wrong."""
    names = [known.name for known in parameters if not known.in_path]
    given = {**single_values(query, names), **path}
    return Asked({known.name: known.value_of(given.get(known.name)) for known in parameters})


def single_values(query: Mapping[str, list[str]], known: Collection[str]) -> dict[str, str]:
    """Each parameter's one value; empty ones count as absent."""
    values: dict[str, str] = {}
    for name, given in query.items():
        if name not in known:
            raise unknown(name, known)
        if len(given) > 1:
            raise InvalidInput("repeated_parameter", f"{name} is given twice", field=name)
        if given[0]:
            values[name] = given[0]
    return values


def unknown(name: str, known: Collection[str]) -> InvalidInput:
    # `site_id[$ne]=x` reads other sites in systems that take parameters apart; here it is a typo.
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    if nearest:
        hint = f"did you mean {nearest[0]}?"
    else:
        hint = f"known are {', '.join(sorted(known))}" if known else "this route takes none"
    called = name or "without a name"
    return InvalidInput("unknown_parameter", f"unknown parameter {called}; {hint}", field=name)
