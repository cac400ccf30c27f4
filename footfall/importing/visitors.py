"""What the importer calls a visitor: a keyed digest of the client's address, as a rule.

The key stays in DATA_DIR. With it the same address is the same user in every log of a site; without
it the digests tell nobody which addresses they were made of, though there are few enough to try.
"""

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from footfall.importing.errors import CannotImport

KEY_BYTES = 32
HASHED = "hashed"
ADDRESS = "address"
NONE = "none"
WAYS = (HASHED, ADDRESS, NONE)

Visitors = Callable[[str], str | None]


def visitors(way: str, site: str, directory: Path) -> Visitors:
    """The function from a client's address to a `user_id`. Raises CannotImport."""
    if way == NONE:
        return lambda _: None
    if way == ADDRESS:
        return lambda address: address
    key = load_key(directory / "visitors.key")
    return lambda address: hashed(key, site, address)


def hashed(key: bytes, site: str, address: str) -> str:
    return blake2b(f"{site}\0{address}".encode(), key=key, digest_size=16).hexdigest()


def load_key(path: Path) -> bytes:
    """The key in this file, which is made with a random one if it is not there."""
    try:
        if not path.exists():
            create_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise CannotImport(f"{path}: {error.strerror}; it holds the key of --users") from error
    if len(key) != KEY_BYTES:
        raise CannotImport(
            f"{path} holds {len(key)} bytes and not the {KEY_BYTES} of a key; bring it back from a "
            "backup, or delete it: all visitors are new ones then"
        )
    return key


def create_key(path: Path) -> None:
    # Written aside first: nobody finds half a key, and of two importers the first one's counts.
    descriptor, written = tempfile.mkstemp(dir=path.parent)  # readable by its owner alone
    try:
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):
            os.link(written, path)
    finally:
        os.unlink(written)
