"""How long a statement may be that a MySQL server takes: its `max_allowed_packet`.

On a longer one the server hangs up. In the middle of sending, that looks like one that has died,
and the same would be tried for ever; so it is refused here.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from pymysql.constants.SERVER_STATUS import SERVER_STATUS_NO_BACKSLASH_ESCAPES
from pymysql.cursors import Cursor
from pymysql.err import DataError, OperationalError

from shared.db.mysql_rows import MOST_BYTES, Literals, statements

MAX_PACKET = "max_allowed_packet"
# What the server calls a statement that is too long, and so do we.
PACKET_TOO_LARGE = 1153
# MariaDB's own default; TiDB's and MySQL's is four times that.
USUAL_PACKET_BYTES = 16 << 20
# What one row takes is shorter, and so is what the driver puts together of many: max_stmt_length.
LEAST_PACKET_BYTES = 1 << 20


# An INSERT of one row of places, and what follows these.
INSERT = re.compile(r"(INSERT\b.+?\bVALUES\s*)\((?:%s,\s*)*%s\)(.*)", re.DOTALL)


class BoundCursor(Cursor):
    """The driver's cursor for statements of fewer than `most_bytes()`. It writes values into them
    by itself; see shared/db/mysql_rows.py."""

    def __init__(self, connection: Any, most_bytes: Callable[[], int]) -> None:
        super().__init__(connection)
        self.session = connection
        self.most_bytes = most_bytes

    def literals(self) -> Literals:
        has_none = self.session.server_status & SERVER_STATUS_NO_BACKSLASH_ESCAPES
        return Literals(self.session.escape, has_escapes=not has_none)

    def mogrify(self, query: Any, args: Any = None) -> Any:
        if type(args) is not tuple:
            return super().mogrify(query, args)
        return query % tuple(map(self.literals().one, args))

    def executemany(self, query: Any, args: Any) -> int | None:
        """An INSERT of all rows is as few statements as it can be; what they return is returned as
        if it were one."""
        insert = INSERT.fullmatch(query.strip())
        if insert is None or not args or not isinstance(args[0], Sequence):
            return super().executemany(query, args)
        before, behind = insert.groups()
        most_bytes = min(MOST_BYTES, self.most_bytes() - 1)
        rows = self.literals().rows(args)
        made = statements(before, rows, behind, most_bytes)
        affected, returned = 0, list[Any]()
        for statement in made:
            affected += self.execute(statement)
            returned += self.fetchall()
        self.rowcount, self.rownumber, self._rows = affected, 0, returned
        return affected

    def execute(self, query: Any, args: Any = None) -> int:
        if args is not None:
            query = self.mogrify(query, args)
        statement: Any = query.encode() if isinstance(query, str) else query
        most = self.most_bytes()
        if len(statement) >= most:  # one byte more is sent, which says what it is
            sentence = f"a statement of {len(statement)} bytes, and {MAX_PACKET} is {most}"
            raise DataError(PACKET_TOO_LARGE, sentence)
        return super().execute(statement)


def refuse_small_packets(most_bytes: int) -> None:
    if most_bytes < LEAST_PACKET_BYTES:
        raise OperationalError(
            f"{MAX_PACKET} is {most_bytes}, and must be {LEAST_PACKET_BYTES} or more"
        )
