"""The address of whoever sent a request: read, used, and forgotten.

It is not stored, logged, cached or in an error, here or in what calls this. Of several, the last
counts, or the last that is not a proxy's of one's own: what stands before it was written by the
client.
"""

import ipaddress
import re
from collections.abc import Iterator

# Of proxies, one behind the other; what is written before so many is not read.
MOST_HOPS = 20

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Of `for=1.2.3.4;host="a,b"`, one after the other; a pair may be missing.
PAIR = re.compile(r'[ \t]*+(?:([^=",;\s]+)=("(?:[^"\\]|\\.)*+"|[^";\s]*+))?[ \t]*+(?:;|\Z)')
# Backwards, from the end: quoted strings, and all else up to a comma.
LAST_BACKWARDS = re.compile(r'(?:"(?:"\\|[^"])*+"|[^",])*+(?=,|\Z)')
MALFORMED = "is not as RFC 7239 has it"


def address_from(text: str) -> Address:
    """The last address in a header such as X-Forwarded-For, or a connection's.

    `1.2.3.4:80`, `[::1]:80` and `::ffff:1.2.3.4` are understood. Raises ValueError, with a sentence
    that does not show what was given.
    """
    return next(addresses_from(text))


def addresses_from(text: str) -> Iterator[Address]:
    """All of them, the last first. Raises ValueError at one that is none."""
    for node in reversed(text.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        yield address_of_node(node.strip())


def address_in_forwarded(text: str) -> Address:
    """The address in `for` of a Forwarded header's last element (RFC 7239). Raises ValueError."""
    return next(addresses_in_forwarded(text))


def addresses_in_forwarded(text: str) -> Iterator[Address]:
    """Those of all elements, the last first. Raises ValueError at one that has none."""
    for _ in range(MOST_HOPS):
        element = last_element(text)
        yield address_of_element(element)
        if len(element) >= len(text):
            return
        text = text[: len(text) - len(element) - 1]


def address_of_element(element: str) -> Address:
    nodes = [node for name, node in pairs_in(element) if name == "for"]
    if len(nodes) != 1:
        raise ValueError("has not one `for` in its last element")
    [node] = nodes
    if node.lower() == "unknown" or node.startswith("_"):
        raise ValueError("hides the address (`for=unknown`, `for=_…`)")
    return address_of_node(node)


def address_of_node(node: str) -> Address:
    """An address, with or without a port."""
    if node.startswith("["):
        node = node[1:].partition("]")[0]
    elif node.count(":") == 1:
        node = node.partition(":")[0]
    try:
        address = ipaddress.ip_address(node.partition("%")[0])  # without the zone of `fe80::1%eth0`
    except ValueError:  # its own sentence shows the text
        raise ValueError("holds no IP address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def last_element(text: str) -> str:
    """What the nearest proxy has added. It is read from the end: a quotation that the client opened
    before it, and never closes, would swallow it. Raises ValueError."""
    backwards = LAST_BACKWARDS.match(text[::-1])
    if backwards is None:
        raise ValueError(MALFORMED)
    return backwards[0][::-1]


def pairs_in(element: str) -> Iterator[tuple[str, str]]:
    """Names in lower case, and values without quotes. Raises ValueError."""
    at = 0
    while at < len(element):
        pair = PAIR.match(element, at)
        if pair is None:
            raise ValueError(MALFORMED)
        at = pair.end()
        if pair[1]:
            yield pair[1].lower(), unquoted(pair[2])


def unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
