"""How servers of MySQL's protocol are told to give a statement up that takes too long."""

from typing import NamedTuple


class TimeLimit(NamedTuple):
    """How a session is told to give SELECTs up, and in what unit."""

    statement: str
    units_a_second: int
    # Also what writes is given up, and after ten seconds if nobody says otherwise.
    is_for_all: bool = False

    def amount(self, seconds: float) -> float:
        """Never 0, which would be no limit."""
        amount = seconds * self.units_a_second
        return max(0.001, round(amount, 3)) if self.units_a_second == 1 else max(1, round(amount))


# By the variable that a server has for it: OceanBase's, which also knows the last one and does not
# heed it, MariaDB's, and that of MySQL and TiDB.
TIME_LIMITS = {
    "ob_query_timeout": TimeLimit("SET SESSION ob_query_timeout = %s", 1_000_000, is_for_all=True),
    "max_statement_time": TimeLimit("SET SESSION max_statement_time = %s", 1),
    "max_execution_time": TimeLimit("SET SESSION max_execution_time = %s", 1000),
}
