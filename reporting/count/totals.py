"""What an answer is made of, wherever it comes from."""

from collections import Counter
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


def ranked(views: Counter[str]) -> list[tuple[str, int]]:
    """Most viewed first, equal ones in the order of their UTF-8, which is that of their code points
    and of the database."""
    viewed = [(value, number) for value, number in views.items() if number]
    return sorted(viewed, key=lambda item: (-item[1], item[0]))
