"""From untrusted bytes to decoded JSON: sizes, gzip, and the four shapes a body may have."""

import functools
import re
import zlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
from msgspec import Raw

from ingestion.reading.numbers import (
    SMALL_BYTES,
    TOO_MANY_NUMBERS,
    Numbers,
    check_digits,
    finite,
)
from ingestion.reading.request import Request
from ingestion.reading.values import TOO_MANY_VALUES, check_event_values, check_values
from shared.errors import InvalidInput
from shared.fields import MAX_EVENTS

MAX_BODY_BYTES = 1024 * 1024
# How long a body may take to arrive, where the server's door can tell.
BODY_SECONDS = 30
# As it will be kept, and as JSON brings it: with what is cut off, in six bytes for a character.
MAX_EVENT_BYTES = 32 * 1024
MAX_EVENT_JSON_BYTES = 256 * 1024
# Of compressed bodies: blocks and members cost, also those that hold nothing: a mebibyte of tables
# takes 65 ms. A thousand events become 10 to 100 KiB, in one member, or one for each 64 KiB.
MAX_GZIP_BYTES = 192 * 1024
MAX_GZIP_MEMBERS = 64
GZIP_WINDOW = 31  # zlib's word for gzip with any window
# What is too much of a whole request, however its events are told apart.
OF_ALL = frozenset({TOO_MANY_VALUES, TOO_MANY_NUMBERS, "too_large", "too_many_events"})
NDJSON = "application/x-ndjson"
# What else clients call it; none of these names is registered.
LINE_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines"})
# With the empty lines after it.
LINE_END = re.compile(rb"\n\s*")


class Payload(msgspec.Struct, frozen=True, gc=False):
    """The decoded events of a request; an InvalidInput stands for a line that was none."""

    events: list[object]
    is_batch: bool
    # Looking for one takes as long as reading the event, and in most requests there cannot be any.
    may_hold_nul: bool


def read_body(request: Request) -> bytes:
    """The request's body, decompressed. Raises InvalidInput (413, 415, 400)."""
    length = request.headers.get("content-length")
    body = read_sized(request.read, length) if length else request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    encoding = request.headers.get("content-encoding")
    return body if not encoding else decompressed(body, encoding.strip().lower())


def read_sized(read: Callable[[int], bytes], length: str) -> bytes:
    if not (length.isascii() and length.isdigit()):
        raise bad_length()
    # 20 digits are a 64-bit number; Python refuses to read one of thousands.
    size = int(length) if len(length) <= 20 else MAX_BODY_BYTES + 1
    if size > MAX_BODY_BYTES:
        raise too_large()
    body = read(size)
    if len(body) < size:  # the client hung up: its last line may look whole and not be
        raise incomplete()
    return body


def decompressed(body: bytes, encoding: str) -> bytes:
    if encoding in {"identity", ""}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise unsupported_encoding()
    if len(body) > MAX_GZIP_BYTES:
        raise gzip_too_large()
    try:
        return unzipped(body)
    except zlib.error:
        raise bad_gzip() from None


def unzipped(body: bytes) -> bytes:
    """The members of gzip as one; of what they would grow to, no more than the limit is made."""
    parts: list[bytes] = []
    left = MAX_BODY_BYTES + 1
    for _ in range(MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(GZIP_WINDOW)
        parts.append(member.decompress(body, left))
        left -= len(parts[-1])
        if left <= 0:
            raise too_large()
        if not member.eof:
            raise bad_gzip()
        body = member.unused_data.lstrip(b"\0")  # padding, as tapes and gzip's own program have it
        if not body:
            return b"".join(parts)
    raise too_many_members()


def bad_length() -> InvalidInput:
    sentence = "Content-Length must be a whole number"
    return InvalidInput("bad_length", sentence, field="Content-Length")


def bad_gzip() -> InvalidInput:
    return InvalidInput("bad_gzip", "the body is not valid gzip", field="Content-Encoding")


def gzip_too_large() -> InvalidInput:
    sentence = f"a compressed body must have at most {MAX_GZIP_BYTES} bytes: send fewer events"
    return InvalidInput("too_large", sentence, field="Content-Encoding", status=413)


def too_many_members() -> InvalidInput:
    sentence = f"a gzip body must have at most {MAX_GZIP_MEMBERS} members: compress it as one"
    return InvalidInput("too_many_members", sentence, field="Content-Encoding", status=413)


def unsupported_encoding() -> InvalidInput:
    sentence = "Content-Encoding must be gzip or absent"
    return InvalidInput("unsupported_encoding", sentence, field="Content-Encoding", status=415)


def too_large() -> InvalidInput:
    sentence = f"the body must have at most {MAX_BODY_BYTES} bytes, decompressed"
    return InvalidInput("too_large", sentence, status=413)


def event_too_large(most: int = MAX_EVENT_BYTES) -> InvalidInput:
    sentence = f"an event must have at most {most} bytes"
    return InvalidInput("too_large", sentence, status=413)


def incomplete() -> InvalidInput:
    return InvalidInput("incomplete_body", "the body ended early, or its chunks are malformed")


def too_slow() -> InvalidInput:
    sentence = f"the body must arrive within {BODY_SECONDS} seconds"
    return InvalidInput("body_too_slow", sentence, status=408)


def too_many() -> InvalidInput:
    sentence = f"a request may hold at most {MAX_EVENTS} events"
    return InvalidInput("too_many_events", sentence, status=413)


def payload_from(body: bytes, content_type: str, type_names: AbstractSet[str]) -> Payload:
    """The events in a body. Raises InvalidInput where it holds none or too many.

    What has a member of `type_names` is an event itself, also where it has a member `events`.
    """
    if content_type and content_type.partition(";")[0].strip().lower() in LINE_TYPES:
        events, is_batch = events_from_lines(body), True
    else:
        events, is_batch = events_from_any(body, type_names)
    if not events:
        raise InvalidInput("no_events", "the body holds no event")
    if len(events) > MAX_EVENTS:
        raise too_many()
    # The backslash alone is looked for 20 times as fast, and most bodies have none.
    return Payload(events, is_batch, b"\\" in body and b"\\u0000" in body)


def events_from_any(body: bytes, type_names: AbstractSet[str]) -> tuple[list[object], bool]:
    """The events in a body that calls itself anything, and whether they came as several."""
    try:
        decode = checked(body, lambda: count_events(body, type_names))
        value = decoded(body, decode)
    except InvalidInput as error:
        if error.code in OF_ALL or not holds_lines(body):
            raise
        return events_from_lines(body), True
    return events_from_json(value, type_names)


def checked(body: bytes, count_events: Callable[[], int]) -> Callable[[bytes], Any]:
    """What decodes this body, or its lines, after a look at what that would cost. Raises
    InvalidInput where it is too much for that many events."""
    if len(body) <= SMALL_BYTES:
        return decode_json
    marks = check_values(body)
    count_events = functools.cache(count_events)
    if len(body) > MAX_EVENT_JSON_BYTES:
        most = MAX_EVENT_JSON_BYTES * max(1, count_events())
        if len(body) > most and len(body.strip()) > most:
            raise event_too_large(MAX_EVENT_JSON_BYTES)
    check_event_values(body, marks, count_events)
    check_digits(body)
    return msgspec.json.Decoder(float_hook=Numbers(count_events)).decode


def holds_lines(body: bytes) -> bool:
    """Whether what is not JSON is JSON by the line: its first line is an object, and not all."""
    first, _, rest = body.lstrip().partition(b"\n")
    if not rest.strip():
        return False
    try:
        decoded(first, decoder_of_members(frozenset()))
    except InvalidInput:
        return False
    return True


def events_from_lines(body: bytes) -> list[object]:
    # No further than to the first that is too many: a megabyte of lines takes seconds to refuse.
    body = body.strip()
    lines = LINE_END.split(body, MAX_EVENTS) if body else []
    if len(lines) > MAX_EVENTS:
        raise too_many()
    decode = checked(body, lambda: len(lines))
    return [line_from(line, decode) for line in lines]


def events_from_json(value: object, type_names: AbstractSet[str]) -> tuple[list[object], bool]:
    """The events in decoded JSON, and whether they came as several."""
    if isinstance(value, dict):
        events = value.get("events")
        if isinstance(events, list) and not value.keys() & type_names:
            return events, True
        return [value], False
    if isinstance(value, list):
        return value, True
    raise InvalidInput("bad_type", "the body must be a JSON object or an array of them")


def count_events(body: bytes, type_names: AbstractSet[str]) -> int:
    """How many events_from_json will find, while none is decoded. Raises InvalidInput."""
    array: Any = body.lstrip()
    if array.startswith(b"{"):
        members = decoded(body, decoder_of_members(frozenset(type_names)))
        is_one = any(getattr(members, name) for name in members.__struct_fields__[1:])
        array = b"" if is_one else bytes(members.events)
    count = len(decoded(array, decode_elements)) if array.startswith(b"[") else 1
    if count > MAX_EVENTS:
        raise too_many()
    return count


@functools.cache
def decoder_of_members(type_names: frozenset[str]) -> Callable[[bytes], Any]:
    """What finds these members of an object, and `events`; ten times as fast as all of them are."""
    named = {"events": "events"} | {f"type_{n}": name for n, name in enumerate(sorted(type_names))}
    fields = [(field, Raw, Raw(b"")) for field in named]
    return msgspec.json.Decoder(msgspec.defstruct("Members", fields, rename=named)).decode


def line_from(line: bytes, decode: Callable[[bytes], Any]) -> object:
    try:
        return decoded(line, decode)
    except InvalidInput as error:
        if error.code in OF_ALL:
            raise
        return error


decode_json = msgspec.json.Decoder(float_hook=finite).decode
decode_elements = msgspec.json.Decoder(list[Raw]).decode


def decoded(body: bytes, decode: Callable[[bytes], Any] = decode_json) -> Any:
    if not body.strip():
        raise InvalidInput("invalid_json", "the body is empty")
    try:
        return decode(body)
    except msgspec.ValidationError:  # the one thing JSON allows and we do not: a number too large
        raise InvalidInput("number_out_of_range", "a number is out of range") from None
    except msgspec.DecodeError as error:
        raise InvalidInput("invalid_json", f"the body is not JSON: {error}") from None
    except UnicodeDecodeError:
        raise InvalidInput("invalid_utf8", "the body is not UTF-8") from None
    except RecursionError:
        raise InvalidInput("too_deep", "the body is nested too deeply") from None
