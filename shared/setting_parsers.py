"""What each kind of setting may be: from the text that is given to a value.

Each raises ValueError with the rest of a sentence that begins with the setting's name, and never
shows what was given where that may be a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from shared.fields import MAX_NAME

# Of an IPv6 address before the IPv4 one that it stands for: `::ffff:10.0.0.1`.
MAPPED_BITS = 96
MAX_PATH = 200
# Control characters, and what is left of bytes that are not UTF-8.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def text(value: str) -> str:
    """Of one line, in UTF-8: what else there is breaks paths, headers and logs."""
    if UNPRINTABLE.search(value):
        raise ValueError("must be one line of text, without control characters")
    return value


def directory(value: str) -> Path:
    if "?" in text(value):  # the rest would be options of the SQLite file's address
        raise ValueError("must be a path without ?")
    return Path(value)


def host(value: str) -> str:
    try:
        text(value).encode("idna")
    except UnicodeError:  # which the look-up of names raises as well
        raise ValueError("must have the name or the address of a machine") from None
    return value


def site_name(value: str) -> str:
    if len(text(value)) > MAX_NAME:
        raise ValueError(f"must have at most {MAX_NAME} characters")
    return value


def integer(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`, both included."""

    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"must be a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return parse


def boolean(value: str) -> bool:
    lowered = value.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError("must be true or false")


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        lowered = value.lower()
        if lowered not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return lowered

    return parse


def url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if text(value).partition("://")[0] not in schemes:
            raise ValueError(f"must be a URL that begins with {' or '.join(schemes)}://")
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018  # it is read to be checked
        except ValueError:  # its own message would show a part of the password
            raise ValueError(
                "must be a URL with a port from 0 to 65535; write / ? # @ : in a password as "
                "%2F %3F %23 %40 %3A"
            ) from None
        host(parts.hostname or "")
        return value

    return parse


def web_address(value: str) -> str:
    # It becomes part of a header and of HTML.
    if not re.fullmatch(
        r"https?://(\[[0-9A-Fa-f:]+\]|[0-9A-Za-z.-]+)(:[0-9]+)?(/[\w./~-]*)?", value
    ):
        raise ValueError(
            "must be a URL that begins with http:// or https://, without query or user"
        )
    return value


def url_path(value: str) -> str:
    """Of a web address, without a slash at its end. It becomes part of a header, of HTML and of
    JavaScript."""
    path = value.rstrip("/")
    if len(path) > MAX_PATH or not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+", path):
        raise ValueError(
            f"must be a path such as /a/b: a / before each part, of ASCII letters, digits and "
            f". _ ~ -, at most {MAX_PATH} characters"
        )
    return path


def names(value: str) -> tuple[str, ...]:
    return tuple(text(part.strip()) for part in value.split(",") if part.strip())


def network(value: str) -> str:
    """An address or a network, as addresses are compared with it: of IPv4 as such, without the zone
    of `fe80::1%eth0`. Raises ValueError."""
    address, slash, length = value.partition("/")
    found = ipaddress.ip_network(address.partition("%")[0] + slash + length, strict=False)
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is not None and found.prefixlen >= MAPPED_BITS:
        found = ipaddress.ip_network((mapped, found.prefixlen - MAPPED_BITS))
    return str(found)


def networks(value: str) -> tuple[str, ...]:
    try:
        return tuple(map(network, names(value)))
    except ValueError:  # its own sentence shows what was given
        raise ValueError(
            "must be IP addresses or networks, such as 10.0.0.0/8, separated by commas"
        ) from None


def header_safe(value: str) -> str:
    # Servers drop a header with other bytes, or each reads them in its own way.
    if not all("!" <= c <= "~" for c in value):
        raise ValueError("must be ASCII letters, digits and signs, without spaces")
    return value


def header_name(value: str) -> str:
    # A name with an underscore is never read as the one with a hyphen, and most servers drop it.
    if not re.fullmatch(r"[A-Za-z0-9-]*", value):
        raise ValueError("must be the name of a header, in ASCII letters, digits and hyphens")
    return value


def key_name(value: str) -> str:
    if not value or len(value) > 64 or not all(c.isalnum() or c in "-_.:" for c in value):
        raise ValueError("must be 1 to 64 letters, digits or - _ . :")
    return value
