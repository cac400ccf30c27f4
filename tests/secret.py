"""What must stand in no log and on no command line: keys that callers have, and secret settings."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

# As shared/keys/keys.py makes them.
MADE_KEY = re.compile(r"ff_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}")
# A shorter one is a word that a log may hold.
LEAST_LENGTH = 8


def secrets_of(settings: Mapping[str, str]) -> Iterator[str]:
    """The key of API_AUTH, and passwords of URLs, also as these write them."""
    yield settings.get("API_AUTH", "")
    for name, value in settings.items():
        password = urlsplit(value).password if name.endswith("_URL") and value else None
        if password:
            yield from (password, unquote(password))


def told_in(text: str, secrets: Iterable[str]) -> list[str]:
    known = [secret for secret in secrets if len(secret) >= LEAST_LENGTH and secret in text]
    return [*known, *MADE_KEY.findall(text)]
