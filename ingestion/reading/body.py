"""From untrusted bytes to decoded JSON: sizes, gzip, and the four shapes a body may have."""

import gzip
import io
import zlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet

import msgspec

from ingestion.reading.request import Request
from shared.errors import InvalidInput

MAX_BODY_BYTES = 1024 * 1024
MAX_EVENTS = 1000
MAX_EVENT_BYTES = 32 * 1024
NDJSON = "application/x-ndjson"
# What else clients call it; none of these names is registered.
LINE_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines"})

decode_json = msgspec.json.Decoder().decode


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
    try:
        # Reads no further than the limit, whatever the body would grow to.
        plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read(MAX_BODY_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise bad_gzip() from None
    if len(plain) > MAX_BODY_BYTES:
        raise too_large()
    return plain


def bad_length() -> InvalidInput:
    sentence = "Content-Length must be a whole number"
    return InvalidInput("bad_length", sentence, field="Content-Length")


def bad_gzip() -> InvalidInput:
    return InvalidInput("bad_gzip", "the body is not valid gzip", field="Content-Encoding")


def unsupported_encoding() -> InvalidInput:
    sentence = "Content-Encoding must be gzip or absent"
    return InvalidInput("unsupported_encoding", sentence, field="Content-Encoding", status=415)


def too_large() -> InvalidInput:
    sentence = f"the body must have at most {MAX_BODY_BYTES} bytes, decompressed"
    return InvalidInput("too_large", sentence, status=413)


def event_too_large() -> InvalidInput:
    sentence = f"an event must have at most {MAX_EVENT_BYTES} bytes"
    return InvalidInput("too_large", sentence, status=413)


def incomplete() -> InvalidInput:
    return InvalidInput("incomplete_body", "the body ended early, or its chunks are malformed")


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
    return Payload(events, is_batch, b"\\u0000" in body)


def events_from_any(body: bytes, type_names: AbstractSet[str]) -> tuple[list[object], bool]:
    """The events in a body that calls itself anything, and whether they came as several."""
    try:
        value = decoded(body)
    except InvalidInput:
        if not holds_lines(body):
            raise
        return events_from_lines(body), True
    return events_from_json(value, type_names)


def holds_lines(body: bytes) -> bool:
    """Whether what is not JSON is JSON by the line: its first line is an object, and not all."""
    first, _, rest = body.lstrip().partition(b"\n")
    if not rest.strip():
        return False
    try:
        return isinstance(decoded(first), dict)
    except InvalidInput:
        return False


def events_from_lines(body: bytes) -> list[object]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_EVENTS:  # counted first: a megabyte of bad lines takes seconds to refuse
        raise too_many()
    return [line_from(line) for line in lines]


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


def line_from(line: bytes) -> object:
    try:
        return decoded(line)
    except InvalidInput as error:
        return error


def decoded(body: bytes) -> object:
    if not body.strip():
        raise InvalidInput("invalid_json", "the body is empty")
    try:
        return decode_json(body)
    except msgspec.ValidationError:  # the one thing JSON allows and we do not: a number too large
        raise InvalidInput("number_out_of_range", "a number is out of range") from None
    except msgspec.DecodeError as error:
        raise InvalidInput("invalid_json", f"the body is not JSON: {error}") from None
    except UnicodeDecodeError:
        raise InvalidInput("invalid_utf8", "the body is not UTF-8") from None
    except RecursionError:
        raise InvalidInput("too_deep", "the body is nested too deeply") from None
