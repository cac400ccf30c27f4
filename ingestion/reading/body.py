"""From untrusted bytes to decoded JSON: sizes, gzip, and the four shapes a body may have."""

import gzip
import io
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from shared.errors import InvalidInput

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MAX_BODY_BYTES = 1024 * 1024
MAX_EVENTS = 1000
NDJSON = "application/x-ndjson"

decode_json = msgspec.json.Decoder().decode


class Payload(NamedTuple):
    """The decoded events of a request; an InvalidInput stands for a line that was none."""

    events: list[object]
    is_batch: bool


def read_body(environ: Mapping[str, Any]) -> bytes:
    """The request's body, decompressed. Raises InvalidInput (413, 415, 400)."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        body = read_sized(environ["wsgi.input"], length)
    elif environ.get("wsgi.input_terminated"):
        body = read_at_most(environ["wsgi.input"], MAX_BODY_BYTES + 1)
    else:
        body = b""
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    encoding = environ.get("HTTP_CONTENT_ENCODING")
    return body if not encoding else decompressed(body, encoding.strip().lower())


def read_sized(stream: "SupportsRead[bytes]", length: str) -> bytes:
    if not (length.isascii() and length.isdigit()):
        raise InvalidInput(
            "bad_length", "Content-Length must be a whole number", field="Content-Length"
        )
    # 20 digits are a 64-bit number; Python refuses to read one of thousands.
    if len(length) > 20 or int(length) > MAX_BODY_BYTES:
        raise too_large()
    body = read_at_most(stream, int(length))
    if len(body) < int(length):  # the client hung up: its last line may look whole and not be
        raise incomplete()
    return body


def read_at_most(stream: "SupportsRead[bytes]", size: int) -> bytes:
    try:
        return stream.read(size)
    except Exception as error:  # each server has its own for broken chunks
        raise incomplete() from error


def decompressed(body: bytes, encoding: str) -> bytes:
    if encoding in {"identity", ""}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise InvalidInput(
            "unsupported_encoding",
            "Content-Encoding must be gzip or absent",
            field="Content-Encoding",
            status=415,
        )
    try:
        # Reads no further than the limit, whatever the body would grow to.
        plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read(MAX_BODY_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise InvalidInput(
            "bad_gzip", "the body is not valid gzip", field="Content-Encoding"
        ) from None
    if len(plain) > MAX_BODY_BYTES:
        raise too_large()
    return plain


def too_large() -> InvalidInput:
    return InvalidInput(
        "too_large",
        f"the body must have at most {MAX_BODY_BYTES} bytes, decompressed",
        status=413,
    )


def incomplete() -> InvalidInput:
    return InvalidInput("incomplete_body", "the body ended early, or its chunks are malformed")


def too_many() -> InvalidInput:
    return InvalidInput(
        "too_many_events", f"a request may hold at most {MAX_EVENTS} events", status=413
    )


def payload_from(body: bytes, content_type: str) -> Payload:
    """The events in a body. Raises InvalidInput where it holds none or too many."""
    if content_type.partition(";")[0].strip().lower() == NDJSON:
        payload = payload_from_lines(body)
    else:
        payload = payload_from_json(decoded(body))
    if not payload.events:
        raise InvalidInput("no_events", "the body holds no event")
    if len(payload.events) > MAX_EVENTS:
        raise too_many()
    return payload


def payload_from_lines(body: bytes) -> Payload:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_EVENTS:  # counted first: a megabyte of bad lines takes seconds to refuse
        raise too_many()
    return Payload([line_from(line) for line in lines], True)


def payload_from_json(value: object) -> Payload:
    if isinstance(value, dict):
        events = value.get("events")
        if isinstance(events, list) and "event_type" not in value and "name" not in value:
            return Payload(events, True)
        return Payload([value], False)
    if isinstance(value, list):
        return Payload(value, True)
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
