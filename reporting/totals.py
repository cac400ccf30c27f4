"""What an answer is made of, wherever it comes from."""

from typing import NamedTuple


class Totals(NamedTuple):
    """Of a bucket: all events, those that are views, and distinct users."""

    events: int = 0
    views: int = 0
    unique_users: int = 0


class ValueTotals(NamedTuple):
    """Of a dimension's value."""

    value: str
    views: int
    unique_users: int
