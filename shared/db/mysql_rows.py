"""Values written into SQL, as a MySQL server reads them, many at a time.

The driver asks of each value what kind it is and who escapes it, which took most of a batch's time.
Here that is asked of a column, and of values that come again and again only once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

# What each of the first 128 characters is written as.
# https://mariadb.com/docs/server/reference/sql-structure/sql-language-structure/string-literals
SPECIAL = {"\0": "0", "\n": "n", "\r": "r", "\x1a": "Z", '"': '"', "'": "'", "\\": "\\"}
ESCAPES = ["\\" + SPECIAL[one] if one in SPECIAL else one for one in map(chr, range(128))]

# Of one statement. A server takes more, and would hold it in memory more than once.
MOST_BYTES = 4 << 20

# What the driver makes of a value of any other kind.
Other = Callable[[Any], str]


class Literals:
    """How a connection writes values. Without `has_escapes`, as its server's NO_BACKSLASH_ESCAPES
    says, a backslash is a character like any other."""

    def __init__(self, other: Other, *, has_escapes: bool) -> None:
        self.other = other
        self.quote = quote_with_escapes if has_escapes else quote

    def one(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            return self.quote(value)
        if kind is int:
            return str(value)
        if kind is bytes:
            return f"x'{value.hex()}'"
        return "NULL" if value is None else self.other(value)

    def column(self, values: Sequence[Any]) -> Iterator[str]:
        """Of each of the values of one column."""
        kinds = set(map(type, values))
        if kinds == {int}:
            return map(str, values)
        if kinds <= {str, type(None)}:
            different = set(values)
            if 2 * len(different) <= len(values):
                return map({value: self.one(value) for value in different}.__getitem__, values)
        return map(self.one, values)

    def rows(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """Each as it stands between parentheses."""
        return list(map(",".join, zip(*map(self.column, zip(*rows, strict=True)), strict=True)))


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def quote_with_escapes(text: str) -> str:
    return "'" + text.translate(ESCAPES) + "'"


def statements(before: str, rows: Sequence[str], behind: str, most_bytes: int) -> Iterator[bytes]:
    """INSERTs of these rows in order, each of at most so many bytes, or of a single row."""
    statement = f"{before}({'),('.join(rows)}){behind}".encode()
    if len(statement) <= most_bytes or len(rows) == 1:
        yield statement
        return
    middle = len(rows) // 2
    for half in (rows[:middle], rows[middle:]):
        yield from statements(before, half, behind, most_bytes)
