"""Requests that cost as much as their makers can think of: each field, shape, encoding and route.

Each is as large as the door takes it, or larger where a bound is to refuse it. tests/ingestion/
test_costs.py counts what reading them takes, and bench/costs.py measures it.
"""

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

from ingestion.protocols.pixel import PIXEL
from ingestion.protocols.posted import POST_EVENT
from ingestion.protocols.protocol import Protocol
from ingestion.reading.body import MAX_BODY_BYTES, MAX_GZIP_BYTES, NDJSON
from ingestion.reading.numbers import MAX_EVENT_HARD, MAX_HARD
from ingestion.reading.paths import MAX_CAMPAIGN
from ingestion.reading.request import MAX_PARAMETERS, MAX_QUERY, Request
from ingestion.reading.schema import MAX_PAGE
from shared.fields import FROM_CLIENT, MAX_EVENTS

START = '{"site_id":"s","event_type":"e",'
EMPTY = gzip.compress(b"", mtime=0)
NAMES = [field.name for field in FROM_CLIENT] + ["url", "payload", "unknown"]


@dataclass(frozen=True)
class Costly:
    """One request, made anew for each reading."""

    name: str
    body: bytes = b""
    events: int = 1
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    protocol: Protocol = POST_EVENT

    def request(self) -> Request:
        headers = {"content-length": str(len(self.body)), **self.headers}
        peer = "192.0.2.1"
        return Request("POST", "/event", self.query, headers, peer, BytesIO(self.body).read)


def filled(text: str, size: int) -> str:
    """As many of a text as have so many bytes."""
    return text * (size // len(text.encode()))


# What one member of an event may hold, by its size in bytes; in JSON. `{}` is a number that makes
# each its own, so that nothing is found in a cache.
TEXTS = {
    "letters": "a",
    "blanks": " ",
    "digits": "9",
    "Unicode": "日",
    "four bytes": "\U0001f600",
    "escapes": r"\u00e9",
    "surrogates": r"\ud83d\ude00",
    "backslashes": r"\\",
    "NUL": r"\u0000",
    "no NUL": r"\\u0000",
    "percent": "%ff",
    "slashes": "/",
    "marks": ",[{",
    "dashes": "2025-11-15T",
}
PAGES = {
    "bad UTF-8 beside utm_": ("?utm_", "&b=%ff"),
    "fields beside utm_": ("?utm_source=a", "&b"),
    "utm_ without values": ("?", "&utm_"),
    "utm_ of bad UTF-8": ("?utm_source=", "%ff"),
    "name of bad UTF-8": ("?utm_", "%ff"),
    "empty fields": ("?utm_a=b", "&"),
    "question marks": ("", "?"),
    "hashes": ("", "#"),
}
LABELS = {
    "Han": "".join(map(chr, range(0x4E00, 0x9FFF))),
    "Arabic": "".join(map(chr, range(0x627, 0x640))),
    "marks": "".join(map(chr, range(0x300, 0x340))),
    "squares": "".join(map(chr, range(0x3300, 0x3358))),
    "beyond 16 bits": "".join(map(chr, range(0x20000, 0x20400))),
    "kana and dots": "".join(map(chr, range(0x3041, 0x3090))) + "・" * 30,
    "Latin": "".join(map(chr, range(0xE0, 0x17F))),
}
# Each as short as it can be hard: those in which a parser has to look at all digits, at a large
# exponent, or at what is too small to be told from 0.
NUMBERS = (
    "0",
    "0.5",
    "1e-400",
    "-0.0",
    "1.7976931348623158079e308",
    "2.4703282292062327208e-324",
    "2.22507385850720088e-308",
    "9007199254740993.5e-200",
    "9" * 30,
    "1" + "9" * 4200,
    "1." + "7" * 100 + "e-300",
    "0." + "0" * 300 + "1e300",
)
ELEMENTS = {
    "arrays": "[]",
    "nested arrays": "[" * 300 + "]" * 300,
    "objects": "{}",
    "nested objects": '{"":' * 300 + "0" + "}" * 300,
    "objects of arrays": '{"":[]}',
    "texts": '"é"',
    "line ends": r'"\n"',
    "nulls": "null",
    "nested numbers of many digits": "[" * 9 + "9" * 4200 + "]" * 9,
    "nested numbers of 400 digits": "[" * 9 + "9" * 400 + "]" * 9,
    "marks": '",[{"',
} | {f"numbers like {number[:30]}": number for number in NUMBERS}


def several(member: Callable[[int], str], size: int) -> Iterator[tuple[bytes, int]]:
    """Bodies with a member in as many events as there is room for: one, some, a thousand."""
    for each in (size, 32 * 1024, 1000):
        count = max(1, min(MAX_EVENTS, (MAX_BODY_BYTES - 2) // (each + len(START) + 30)))
        events = [f"{START}{member(each)}}}" for _ in range(count)]
        yield f"[{','.join(events)}]".encode(), count


def in_fields() -> Iterator[Costly]:
    """Each text in each field, and in what is none."""
    for name in NAMES:
        for kind, text in TEXTS.items():
            member = partial(text_member, name, text)
            for body, count in several(member, MAX_BODY_BYTES - 200):
                yield Costly(f"{count} x {name} of {kind}", body, count)


def text_member(name: str, text: str, size: int) -> str:
    value = f'"{filled(text, size - 30)}"'
    return f'"{name}":{{"page_url":{value}}}' if name == "payload" else f'"{name}":{value}'


def pages() -> Iterator[Costly]:
    """Each thing that a page's query can be made of, in as few and as many events as may be."""
    for kind, (head, tail) in PAGES.items():
        for body, count in several(partial(page_member, head, tail), MAX_PAGE):
            yield Costly(f"{count} x path of {kind}", body, count)
    for most in (MAX_CAMPAIGN, 80):
        campaign = "&".join(f"utm_{number:x}=%ff" for number in range(most))
        event = f'{START}"path":"?{campaign}"}}'
        yield Costly(
            f"1000 x path with {most} utm_", f"[{','.join([event] * 1000)}]".encode(), 1000
        )


def page_member(head: str, tail: str, size: int) -> str:
    return f'"path":"{head}{filled(tail, min(size, MAX_PAGE) - 40)}"'


def hosts() -> Iterator[Costly]:
    """International names that nobody has seen before, as pages and as hosts, in each spelling."""
    for kind, letters in LABELS.items():
        for label, length in ((1, 18), (14, 120), (60, 120), (60, 500), (250, 250)):
            name = made_host(letters, label, length)
            spellings = {"": name, " in ASCII": in_ascii(name), " encoded": percent_encoded(name)}
            of = f"of {kind}, {length} characters, {label} a label"
            for way, host in spellings.items():
                pages = [f'{START}"path":"https://{n}.{host[:500]}/"}}' for n in range(1000)]
                yield array_of(f"hosts{way} {of}", pages)
            named = [f'{START}"hostname":"{n}.{name[:250]}"}}' for n in range(1000)]
            yield array_of(f"hostname {of}", named)
    ascii_hosts = [f'{START}"path":"https://{n}{"a" * 500}/"}}' for n in range(1000)]
    yield array_of("hosts of letters", ascii_hosts)


def made_host(letters: str, label: int, length: int) -> str:
    chance = random.Random(7)
    labels = ("a" + "".join(chance.choices(letters, k=label)) for _ in range(length // label + 1))
    return ".".join(labels)[:length].rstrip(".")


def in_ascii(name: str) -> str:
    return ".".join("xn--" + label.encode("punycode").decode() for label in name.split("."))


def percent_encoded(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


def array_of(name: str, events: list[str]) -> Costly:
    while len(body := f"[{','.join(events)}]".encode()) > MAX_BODY_BYTES:
        del events[: len(events) // 10 + 1]
    return Costly(name, body, len(events))


def values() -> Iterator[Costly]:
    """JSON of nothing but small values: where no event is, in one, and in many."""
    lines = {"content-type": NDJSON}
    for kind, element in ELEMENTS.items():
        size = MAX_BODY_BYTES - 200
        many = ",".join([element] * (size // (len(element.encode()) + 1)))
        yield Costly(f"array of {kind}", f"[{many}]".encode())
        yield Costly(f"event with {kind}", f'{START}"a":[{many}]}}'.encode())
        yield Costly(
            f"events beside {kind}", f'{{"a":[{many}],"events":[{START}"a":1}}]}}'.encode()
        )
        yield Costly(f"line with {kind}", f'{START}"a":[{many}]}}'.encode(), 1, "", lines)
        for most in (99_000, 19_000):
            few = ",".join(
                [element] * min(len(many) // (len(element) + 1), most // values_in(element))
            )
            yield Costly(f"1 x {most} {kind}", f'{START}"a":[{few}]}}'.encode())
            spread = few[: len(few) // 5 // (len(element) + 1) * (len(element) + 1)]
            event = f'{START}"a":[{spread}{element}]}}'
            yield Costly(f"5 x {most} {kind}", f"[{','.join([event] * 5)}]".encode(), 5)


def values_in(element: str) -> int:
    return 1 + element.count("[") + element.count("{")


def members() -> Iterator[Costly]:
    """Names: many, the same again and again, in properties and beside them, and wrong ones."""
    for kind, value in (("numbers", "1"), ("arrays", "[]"), ("tiny numbers", "1e-400")):
        for most in (150_000, 99_000, 19_000):
            some = [f'"{number:x}":{value}' for number in range(most)]
            text = ",".join(some[: (MAX_BODY_BYTES - 200) // (len(value) + 9)])
            yield Costly(f"1 x {most} members of {kind}", f"{START}{text}}}".encode())
            for holder in ("properties", "payload", "hostname", "user_id"):
                body = f'{START}"{holder}":{{{text}}}}}'.encode()
                yield Costly(f"1 x {holder} of {most} {kind}", body)
        for count in (50, 51, 60, 79):
            text = ",".join(f'"{number}":{value}' for number in range(count))
            for end in ("", ',"hostname":1', ',"user_id":1', r',"a":"\u0000"', r',"a":"\\u0000"'):
                name = f"1000 x {count} members of {kind}{end}"
                yield array_of(name, [f"{START}{text}{end}}}"] * 1000)
    for name in ("a", "path", "properties"):
        same = f',"{name}":1' * ((MAX_BODY_BYTES - 200) // (len(name) + 6))
        yield Costly(f"{name} again and again", f'{START}"a":1{same}}}'.encode())


def lines() -> Iterator[Costly]:
    """One JSON object a line, or what is none."""
    headers = {"content-type": NDJSON}
    for kind, line in (("empty", ""), ("blank", " \r"), ("bad", "x"), ("long bad", "x" * 1000)):
        count = MAX_BODY_BYTES // (len(line) + 1)
        body = (line.encode() + b"\n") * count
        yield Costly(f"{kind} lines", body, 1 if count > MAX_EVENTS else count, "", headers)
        event = f'{START}"a":1}}'.encode()
        yield Costly(f"an event after {kind} lines", body[:-100] + b"\n" + event, 1, "", headers)
    yield Costly("blanks", b" " * MAX_BODY_BYTES)


def encodings() -> Iterator[Costly]:
    """Compressed bodies: those that grow, and those that take long to become nothing."""
    event = f'{START}"a":1}}'.encode()
    full = event[:-2] + b'"' + b"x" * 1_000_000 + b'"}'
    spaces = event.ljust(MAX_BODY_BYTES)
    most = MAX_GZIP_BYTES - 2000
    packed = gzip.compress(event, mtime=0)
    bodies = {
        "that grows a thousand times": gzip.compress(bytes(200_000_000), 1, mtime=0),
        "of blanks": gzip.compress(spaces, mtime=0),
        "of one long text": gzip.compress(full, mtime=0),
        "of many members": EMPTY * (most // len(EMPTY)) + packed,
        "of 64 members": EMPTY * 63 + packed,
        "of many members too large": EMPTY * (MAX_BODY_BYTES // len(EMPTY)),
        "of empty blocks": as_gzip(b"\0\0\0\xff\xff" * (most // 5), event),
        "of tables": as_gzip(tables(most), event),
        "of tables too large": as_gzip(tables(MAX_BODY_BYTES - 2000), event),
        "before zeros": packed + bytes(most),
        "with a long name": EMPTY[:3] + b"\x08" + EMPTY[4:10] + b"n" * most + b"\0" + packed[10:],
        "cut off": gzip.compress(random.Random(7).randbytes(most), mtime=0)[:-9],
    }
    for kind, body in bodies.items():
        yield Costly(f"gzip {kind}", body, headers={"content-encoding": "gzip"})
    # The dearest of one event: what is too large to be kept is read all the same.
    zeros = ",".join(["2.22507385850720088e-308"] * MAX_EVENT_HARD + ["[]"] * 5000)
    dear = f'{START}"a":[{zeros}]}}'.encode()
    yield Costly(
        "gzip of tables around hard numbers",
        as_gzip(tables(MAX_GZIP_BYTES - 20_000), dear),
        headers={"content-encoding": "gzip"},
    )
    for coding in ("deflate", "br", "zstd", "gzip, gzip", "x" * 100_000):
        body = zlib.compress(spaces)
        yield Costly(f"{coding[:20]} of blanks", body, headers={"content-encoding": coding})


def as_gzip(blocks: bytes, plain: bytes) -> bytes:
    """Deflate's blocks, followed by those of a body, as one member."""
    last = zlib.compressobj(wbits=-15)
    end = struct.pack("<II", zlib.crc32(plain), len(plain))
    return EMPTY[:10] + blocks + last.compress(plain) + last.flush() + end


def tables(size: int) -> bytes:
    """As many of deflate's blocks as have so many bytes, each with a table and nothing else."""
    code_lengths = {18: 1, 1: 2, 0: 2}
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
    bits = [(0, 1), (2, 2), (0, 5), (0, 5), (14, 4)]
    bits += [(code_lengths.get(symbol, 0), 3) for symbol in order]
    # 138 and 118 symbols without a code; the end of the block has one of one bit; so has nothing.
    bits += [(0, 1), (127, 7), (0, 1), (107, 7), (3, 2), (1, 2), (0, 1)]
    packed, count = 0, 0
    for value, width in bits * 8:  # of which eight fill whole bytes
        packed |= value << count
        count += width
    block = packed.to_bytes(count // 8, "little")
    return block * (size // len(block))


def queries() -> Iterator[Costly]:
    """Queries of images and of other requests."""
    event = f'{START}"a":1}}'.encode()
    whose = "site_id=s&event_type=e&"
    room = MAX_QUERY - len(whose)
    texts = {
        "bad UTF-8": "path=" + filled("%ff", room - 5),
        "Unicode": "title=" + filled("%E6%97%A5", room - 6),
        "letters": "path=" + filled("a", room - 5),
        "plusses": "path=" + filled("+", room - 5),
        "NUL": "path=" + filled("%00", room - 5),
        "Latin-1": "path=" + "\xe9" * (room - 5),
        "a page": "path=" + filled("%3Futm_%26", room - 5),
        "parameters": "&".join(f"{n:x}=%ff" for n in range(MAX_PARAMETERS - 2)),
        "long parameters": "&".join(f"{n:x}={'%ff' * 100}" for n in range(MAX_PARAMETERS - 2)),
        "too many parameters": filled("a=%ff&", room),
        "semicolons": filled("a;", room),
        "too many characters": filled("%ff", 1_000_000),
    }
    for kind, text in texts.items():
        query = whose + text
        yield Costly(f"image of {kind}", b"", 1, query, protocol=PIXEL)
        yield Costly(f"event beside {kind}", event, 1, query)
        yield Costly(f"event beside {kind}, hashed", event, 1, "users=hashed&" + text[:-13])


def headers() -> Iterator[Costly]:
    """Headers of any length; a server's bounds are another matter."""
    event = f'{START}"a":1}}'.encode()
    whose = "site_id=s&event_type=e"
    for name in ("user-agent", "referer", "origin", "content-type", "authorization", "x-real-ip"):
        for kind, text in (("letters", "a"), ("Latin-1", "\xe9"), ("colons", ":"), ("commas", ",")):
            value = {name: text * 100_000}
            yield Costly(f"{name} of {kind}", event, 1, "users=hashed", value)
            yield Costly(f"image with {name} of {kind}", b"", 1, whose, value, PIXEL)
    for length in ("9" * 100_000, "-1", "\xb2" * 100_000):
        yield Costly(f"length {length[:9]}", event, headers={"content-length": length})


def at_once() -> Iterator[Costly]:
    """The dearest of each in every event of one request, as far as there is room for them."""
    chance = random.Random(9)
    campaign = "&".join(f"utm_{number:x}=%ff" for number in range(MAX_CAMPAIGN))
    numbers = ",".join(f'"{number}":1e-400' for number in range(MAX_HARD // 1000))
    events: list[str] = []
    for _ in range(1000):
        labels = (chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(5))
        page = f"https://{in_ascii('.'.join(labels))}/?{campaign}"
        named = r'"timestamp":"2025-11-15T10:00:00.123456+02:00","title":"\\u0000"'
        events.append(f'{START}"path":"{page}",{named},"properties":{{{numbers}}}}}')
    plain = array_of("", events).body
    for kind, body, more in (
        ("all of it", plain, {}),
        (
            "all of it, gzip",
            as_gzip(tables(MAX_GZIP_BYTES - 40_000), plain),
            {"content-encoding": "gzip"},
        ),
    ):
        yield Costly(kind, body, len(events), "users=hashed", more)


def ordinary() -> Iterator[Costly]:
    """What a site sends: one event, and a thousand of them in each shape."""
    event: dict[str, Any] = {
        "site_id": "site-1",
        "event_type": "page_view",
        "path": "https://shop.example/pricing?utm_source=news&utm_medium=mail&plan=pro#x",
        "user_id": "user-12345",
        "timestamp": "2025-11-15T10:00:00Z",
        "referrer": "https://example.org/a",
        "properties": {"plan": "pro", "seats": 5, "price": 9.5},
    }
    one = json.dumps(event).encode()
    thousand = b"[" + b",".join([one] * 1000) + b"]"
    wide = json.dumps({**event, "properties": {f"p{n}": "v" * 9 for n in range(30)}}).encode()
    yield Costly("one ordinary event", one)
    yield Costly("ordinary array", thousand, 1000)
    yield Costly("ordinary object", b'{"events":' + thousand + b"}", 1000)
    yield Costly("ordinary lines", b"\n".join([one] * 1000), 1000, "", {"content-type": NDJSON})
    yield Costly("ordinary gzip", gzip.compress(thousand), 1000, "", {"content-encoding": "gzip"})
    yield Costly("ordinary events, 40 members", b"[" + b",".join([wide] * 1000) + b"]", 1000)


MAKERS = (
    ordinary,
    in_fields,
    pages,
    hosts,
    values,
    members,
    lines,
    encodings,
    queries,
    headers,
    at_once,
)


def costly_requests() -> Iterator[Costly]:
    for make in MAKERS:
        yield from make()
