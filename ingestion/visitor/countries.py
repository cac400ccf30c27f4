"""The visitor's country, looked up by address in a MaxMind database.

An address is read for that and forgotten at once.
"""

import re
from itertools import islice

import maxminddb
from maxminddb import InvalidDatabaseError, Reader

from ingestion.visitor.addresses import Address
from shared.clock import SECOND_MS
from shared.errors import BadSetting

CODE = re.compile("[A-Za-z]{2}")
# Networks asked at start for their country; a database that knows none of these knows no countries.
SAMPLE = 1000


def open_countries(path: str) -> Reader | None:
    """The database in this file; None for no path. Raises BadSetting where it cannot be used."""
    if not path:
        return None
    try:
        # Mapped, so that all processes share one copy; to be replaced by renaming, never in place.
        reader = maxminddb.open_database(path)
        if any(country_in(record) for _, record in islice(reader, SAMPLE)):
            return reader
    except OSError as error:
        raise BadSetting(f"COUNTRY_DATABASE: {path}: {error.strerror}") from error
    except (InvalidDatabaseError, ValueError):
        sentence = f"COUNTRY_DATABASE: {path}: is not a MaxMind database (.mmdb), or is damaged"
        raise BadSetting(sentence) from None
    kind = reader.metadata().database_type
    reader.close()
    raise BadSetting(
        f"COUNTRY_DATABASE: {path}: holds no countries, it is {kind}; "
        "take GeoLite2-Country or another of that layout"
    )


def built_at_of(countries: Reader) -> int:
    """When it was built, in ms."""
    return countries.metadata().build_epoch * SECOND_MS


def country_of(countries: Reader, address: Address) -> str | None:
    """The country of an address; None where it is unknown."""
    try:
        return country_in(countries.get(address))
    except (ValueError, InvalidDatabaseError):  # not of this file's kind, or damage
        return None


def country_in(record: object) -> str | None:
    """Where the address is, or else where its owner is registered."""
    if not isinstance(record, dict):
        return None
    for place in (record.get("country"), record.get("registered_country")):
        code = code_from(place.get("iso_code")) if isinstance(place, dict) else None
        if code:
            return code
    return None


def code_from(value: object) -> str | None:
    """A country's two letters, in upper case; None for anything else, such as Cloudflare's T1."""
    return value.upper() if isinstance(value, str) and CODE.fullmatch(value) else None
