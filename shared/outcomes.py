"""What can become of an accepted event: exactly one of these, whatever happens on the way."""

from enum import StrEnum


class Outcome(StrEnum):
    """The closed set of outcomes; the values are stored and never change."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    DEAD = "dead"
