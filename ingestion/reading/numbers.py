"""How hard to read the numbers of a body may be: a few bytes of digits take microseconds each.

Numbers with a fraction or an exponent are read by Python: where they have many digits or a large
exponent it is 50 times as fast as msgspec, and still takes 0.8 us for the hardest. Whole numbers
take the square of their length.
"""

import math
from collections.abc import Callable

from ingestion.reading.values import outside_texts, unescaped
from shared.errors import InvalidInput

# Programs write floats with 17 digits, a point and an exponent where they have to; longer ones, and
# exponents, are what takes long to read.
EASY_CHARACTERS = 25
MAX_HARD = 20_000
MAX_EVENT_HARD = 2000
TOO_MANY_NUMBERS = "too_many_numbers"
# The largest double has 309.
MAX_DIGITS = 400
# A body that is no longer holds nothing that takes a millisecond.
SMALL_BYTES = 16 * 1024
AS_DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
TOO_LONG = b"0" * (MAX_DIGITS + 1)


class Numbers:
    """Reads those of one request that have a fraction or an exponent, and counts the hard ones.
    Where there are more than one event's, it asks how many events there are."""

    def __init__(self, count_events: Callable[[], int]) -> None:
        self.count_events = count_events
        self.read = 0
        self.most = MAX_EVENT_HARD

    def __call__(self, text: str) -> float:
        """Raises InvalidInput (`too_many_numbers`), and ValueError for one out of range."""
        if len(text) > EASY_CHARACTERS or "e" in text or "E" in text:
            self.read += 1
            if self.read > self.most:
                self.allow_more()
        return finite(text)

    def allow_more(self) -> None:
        most = min(MAX_HARD, MAX_EVENT_HARD * self.count_events())
        if self.read > most:
            raise too_many_numbers()
        self.most = most


def finite(text: str) -> float:
    """Raises ValueError for a number that no double holds."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def check_digits(body: bytes) -> None:
    """Raises InvalidInput for JSON with a number of too many digits; in texts any number may be."""
    if TOO_LONG not in body.translate(AS_DIGITS):
        return
    if TOO_LONG in outside_texts(unescaped(body)).translate(AS_DIGITS):
        raise too_many_digits()


def too_many_digits() -> InvalidInput:
    sentence = f"a number must have at most {MAX_DIGITS} digits"
    return InvalidInput("number_out_of_range", sentence)


def too_many_numbers() -> InvalidInput:
    sentence = (
        f"a request may hold at most {MAX_EVENT_HARD} numbers with an exponent, or of more than "
        f"{EASY_CHARACTERS} characters, for each event, and {MAX_HARD} in all"
    )
    return InvalidInput(TOO_MANY_NUMBERS, sentence, status=413)
