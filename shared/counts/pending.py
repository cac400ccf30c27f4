"""What a batch has stored and no rollup knows yet: its events of a site and hour, in columns.

A batch only appends: a row of `pending_counts` for each site and hour of its events, in the
transaction that stores these. Of hours of one UTC day that have few events, one row holds several:
`bucket` is the first of them, and the last is that of `last_event`. Merging takes such rows away in
the transaction that counts them in the rollups. So at any moment an event is counted by the one or
the other, and answers add the two.

`data` holds, by name, what the rollups tell apart: TIME, in ms since `bucket`; USER, the number
plus one, 0 for nobody; the type; and each dimension that is rolled up, where any of the events has
a value. `events`, `views` (of them, those of PAGE_VIEW), and the first and the last moment stand
beside it, so that they can be asked for without reading it.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.clock import HOUR_MS
from shared.counts.rollups import ROLLED_UP
from shared.counts.segments import SIZES, TIME, USER, Column, empty_column
from shared.fields import EVENT_TYPE

# The names of those that hold texts.
TEXTS = (EVENT_TYPE, *ROLLED_UP)

# The different texts (none in columns of numbers), how many bytes a number has, and the number of
# each event: of its text, where there are texts.
Encoded = tuple[list[str | None], int, bytes]

# A row has more events only if they are all of one hour.
MOST_OF_HOURS = 250

# Of users, so that bitmaps can hold them; stored, each is one more.
MOST_NUMBERS = 1 << 32

MOST_OF_SIZES = tuple((size, int(np.iinfo(size).max)) for size in SIZES)

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(dict[str, Encoded]).decode


class Pending(NamedTuple):
    """Events of one hour, which begins at `bucket` (ms), or of several from that on."""

    bucket: int
    events: int
    columns: dict[str, Encoded]

    def numbers(self, name: str) -> Sequence[int]:
        """Of each event, of a column of numbers."""
        if name not in self.columns:
            return bytes(self.events)
        _, size, numbers = self.columns[name]
        return numbers_in(size, numbers)

    def texts(self, name: str) -> list[str | None]:
        """Of each event, of a column of texts."""
        if name not in self.columns:
            return [None] * self.events
        texts = self.columns[name][0]
        return [texts[number] for number in self.numbers(name)]

    def column(self, name: str) -> Column:
        """For counting with numpy."""
        encoded = self.columns.get(name)
        if encoded is None:
            return empty_column(self.events)
        texts, size, numbers = encoded
        return Column(texts, np.frombuffer(numbers, f"<u{size}"))

    def moments(self) -> NDArray[np.int64]:
        """When each happened, in ms."""
        return self.bucket + self.column(TIME).numbers.astype(np.int64)

    def hours(self) -> dict[int, int]:
        """The hours (ms) that have any, and how many."""
        moments = self.moments()
        hours, numbers = np.unique(moments - moments % HOUR_MS, return_counts=True)
        return dict(zip(hours.tolist(), numbers.tolist(), strict=True))


def read_pending(bucket: int, events: int, data: bytes) -> Pending:
    """Raises ValueError where the bytes are not what they should be."""
    try:
        columns = decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    for name, (texts, size, numbers) in columns.items():
        if len(numbers) != events * size or size not in {1, 2, 4, 8}:
            raise ValueError(f"its {name} has another number of events")
        if name in TEXTS and max(numbers_in(size, numbers)) >= len(texts):
            raise ValueError(f"its {name} has a number without a text")
        if name == USER and size == 8 and max(numbers_in(size, numbers)) > MOST_NUMBERS:
            raise ValueError("it has a user whose number no bitmap can hold")
    return Pending(bucket, events, columns)


def numbers_in(size: int, numbers: bytes) -> Sequence[int]:
    return numbers if size == 1 else np.frombuffer(numbers, f"<u{size}").tolist()


def encode_texts(values: Sequence[str | None]) -> Encoded | None:
    """The column of these; None where nobody has a value."""
    if len(values) == 1:  # most are, of small sites
        return None if values[0] is None else (list(values), 1, b"\0")
    codes: dict[str | None, int] = {}
    numbers = [codes.setdefault(value, len(codes)) for value in values]
    if len(codes) == 1 and None in codes:
        return None
    return list(codes), *encode_numbers(numbers, len(codes))


def encode_numbers(numbers: Iterable[int], above: int) -> tuple[int, bytes]:
    """How many bytes each takes, where all are below `above`, and all of them."""
    if above <= 256:
        return 1, bytes(numbers)
    numbers = list(numbers)
    size = next(size for size, most in MOST_OF_SIZES if above - 1 <= most)
    return size.itemsize, np.array(numbers, size).tobytes()


def encode_pending(
    offsets: Collection[int],
    users: Collection[int | None],
    texts: Iterable[tuple[str, Sequence[str | None]]],
) -> bytes:
    """What `pending_counts.data` holds: events by their ms since the bucket began, the numbers of
    their users, and their values of columns of TEXTS."""
    columns: dict[str, Encoded] = {TIME: ([], *encode_numbers(offsets, max(offsets) + 1))}
    known = [0 if number is None else number + 1 for number in users]
    highest = max(known)
    if highest:
        columns[USER] = ([], *encode_numbers(known, highest + 1))
    for name, values in texts:
        encoded = encode_texts(values)
        if encoded is not None:
            columns[name] = encoded
    return encode(columns)
