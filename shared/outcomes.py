"""What can become of an accepted event: exactly one of these, whatever happens on the way."""

from enum import StrEnum


class Outcome(StrEnum):
    """The closed set of outcomes; the values are stored and never change."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    DEAD = "dead"
    # What an operator has entered, with the reason: events that a restore took away, or less than
    # none, that a failover brought once more.
    CORRECTED = "corrected"
    # Its site was deleted with all it had, before the event came to the database or after.
    ERASED = "erased"


class DropReason(StrEnum):
    """Why an event was dropped; a closed set whose values are stored and never change."""

    # A known crawler, by its user agent.
    BOT = "bot"
    # One of too many page views of one user in one second.
    BURST = "burst"
