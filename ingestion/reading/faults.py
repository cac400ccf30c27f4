"""Why an event is refused: the codes and sentences for what msgspec does not accept.

msgspec judges fast and explains in sentences of its own, which are no interface. So where it
refuses, this looks for the reason by the same declaration, member by member in their order.
"""

from collections.abc import Callable
from typing import Any

from ingestion.reading.fields import MAX_INTEGER, MIN_INTEGER, bound_of
from shared.errors import InvalidInput
from shared.fields import FROM_CLIENT, MAX_NAME, MAX_PROPERTIES, Field, Kind

DECLARED = {field.name: field for field in FROM_CLIENT}
JSON_NAMES = {
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}


def fault_in(fields: dict[str, Any]) -> InvalidInput | None:
    """The first fault of an event whose names are all canonical; None where it has none."""
    for name, value in fields.items():
        field = DECLARED[name]
        fault = None if value is None else FAULTS[field.kind](field, value)
        if fault is not None:
            return fault
    return None


def text_fault(field: Field, value: object) -> InvalidInput | None:
    if not isinstance(value, str):
        return wrong_type(field.name, "a string", value)
    most = bound_of(field)
    if most is not None and len(value) > most:
        return too_long(field.name, f"{most} characters")
    return None


def moment_fault(field: Field, value: object) -> InvalidInput | None:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return None
    return wrong_type(field.name, "a string or a number", value)


def object_fault(field: Field, value: object) -> InvalidInput | None:
    if not isinstance(value, dict):
        return wrong_type(field.name, "an object", value)
    if len(value) > MAX_PROPERTIES:
        return too_long(field.name, f"{MAX_PROPERTIES} members")
    faults = (member_fault(field, name, member) for name, member in value.items())
    return next((fault for fault in faults if fault is not None), None)


def member_fault(field: Field, name: str, value: object) -> InvalidInput | None:
    if len(name) > MAX_NAME:
        return too_long(field.name, f"{MAX_NAME} characters", "a name in ")
    if isinstance(value, dict | list):
        wanted = "a string, a number, true, false or null"
        return wrong_type(field.name, wanted, value, "a value in ")
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        sentence = f"a number in {field.name} must be from {MIN_INTEGER} to {MAX_INTEGER}"
        return InvalidInput("number_out_of_range", sentence, field=field.name)
    return None


FAULTS: dict[Kind, Callable[[Field, Any], InvalidInput | None]] = {
    Kind.TEXT: text_fault,
    Kind.MOMENT: moment_fault,
    Kind.OBJECT: object_fault,
}


def wrong_type(field: str, wanted: str, given: object, part: str = "") -> InvalidInput:
    sentence = f"{part}{field} must be {wanted}, not {JSON_NAMES[type(given)]}"
    return InvalidInput("bad_type", sentence, field=field)


def too_long(field: str, bound: str, part: str = "") -> InvalidInput:
    return InvalidInput("too_long", f"{part}{field} must have at most {bound}", field=field)
