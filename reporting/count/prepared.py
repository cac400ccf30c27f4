"""SELECTs that are built once and asked again with other values.

SQLAlchemy takes longer to build a statement than SQLite to answer most of them: a third of all CPU
of `/stats` of one day. Its own cache only saves it from making SQL of the statement.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

from sqlalchemy import BigInteger, BindParameter, Connection, Row, Table, bindparam

from reporting.count.statements import Rows

# Statements of more spans are built each time: they are rare, and large in memory.
FEW_SPANS = 8
# Each takes some 25 kB.
MOST_STATEMENTS = 256
# Fetched at a time; row by row it takes half as long again.
PARTITION_ROWS = 1000

Found = Iterator[Row[*tuple[Any, ...]]]
# Of a value: one, a list to look for, a span, or so many spans; or what is no parameter.
Shape = Literal["one", "list", "span"] | int | Table | None


def fetch(connection: Connection, select: Callable[..., Rows], *values: Any) -> Found:
    """The rows that `select(*values)` asks for.

    A value is a table or None, which the statement is built with; or a text, a number or bytes; or
    a span or spans; or a list of what a column may be, in whose place `select` gets a parameter.
    """
    shapes = tuple(map(shape_of, values))
    if any(isinstance(shape, int) and shape > FEW_SPANS for shape in shapes):
        result = connection.execute(select(*values))
    else:
        result = connection.execute(built(select, shapes), parameters_of(values, shapes))
    return chain.from_iterable(result.partitions(PARTITION_ROWS))


def shape_of(value: Any) -> Shape:
    match value:
        case None | Table():
            return value
        case int() | str() | bytes():
            return "one"
        case (int(), int()) if isinstance(value, tuple):
            return "span"
        case [(_, _), *_]:
            return len(value)
        case _:
            return "list"


@lru_cache(maxsize=MOST_STATEMENTS)
def built(select: Callable[..., Rows], shapes: Sequence[Shape]) -> Rows:
    return select(*(placeholder(f"p{place}", shape) for place, shape in enumerate(shapes)))


def placeholder(name: str, shape: Shape) -> Any:
    match shape:
        case "one":
            return bindparam(name)
        case "list":
            return bindparam(name, expanding=True)
        case "span":
            return span_of(name)
        case int():
            return [span_of(f"{name}_{number}") for number in range(shape)]
        case _:
            return shape


def span_of(name: str) -> tuple[BindParameter[int], BindParameter[int]]:
    return bindparam(f"{name}_start", type_=BigInteger), bindparam(f"{name}_end", type_=BigInteger)


def parameters_of(values: Sequence[Any], shapes: Sequence[Shape]) -> dict[str, Any]:
    """What the placeholders stand for."""
    found: dict[str, Any] = {}
    for place, (value, shape) in enumerate(zip(values, shapes, strict=True)):
        name = f"p{place}"
        match shape:
            case "one" | "list":
                found[name] = value
            case "span":
                found[f"{name}_start"], found[f"{name}_end"] = value
            case int():
                for number, (start, end) in enumerate(value):
                    found[f"{name}_{number}_start"], found[f"{name}_{number}_end"] = start, end
    return found
