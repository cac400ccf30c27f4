"""What a client may say of an event, as msgspec judges it; it follows from shared/fields.py."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.fields import FROM_CLIENT, MAX_NAME, MAX_PROPERTIES, Field, Kind

# What a signed 64-bit column, and the JSON of any database, keeps as it is.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
# Long ones are not refused as they come: a page counts once it is reduced to its path, and a user
# agent is cut.
UNBOUNDED = frozenset({"path", "user_agent"})

Integer = Annotated[int, Meta(ge=MIN_INTEGER, le=MAX_INTEGER)]
PropertyName = Annotated[str, Meta(max_length=MAX_NAME)]
Properties = Annotated[
    dict[PropertyName, str | Integer | float | bool | None], Meta(max_length=MAX_PROPERTIES)
]


def bound_of(field: Field) -> int | None:
    """How many characters a text may have as it comes; None for any number."""
    return None if field.name in UNBOUNDED else field.most


def type_of(field: Field) -> Any:
    if field.kind is Kind.MOMENT:
        return str | int | float | None
    if field.kind is Kind.OBJECT:
        return Properties | None
    return Annotated[str, Meta(max_length=bound_of(field))] | None


# One member for each field, by its canonical name.
Fields: Any = msgspec.defstruct(
    "Fields", [(field.name, type_of(field), None) for field in FROM_CLIENT], frozen=True, gc=False
)
# msgspec finds out at first use what a type holds, and a second thread that comes meanwhile reads
# what is not there yet: the process dies of it.
msgspec.convert({}, Fields)
