"""What is set for a site: its other names, who may post to it, what is left out, for how long
visitors stay the same and events are kept, how it is told.

What is set for taking events holds for those that come from then on: what was counted before stays
as it is. What says how that is told (TOLD_BY) holds for the past as well; `raw_data_age` is of all
events that are there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shared.errors import InvalidInput
from shared.fields import MAX_NAME, MAX_TEXT
from shared.setting_parsers import UNPRINTABLE, network
from shared.sites.currencies import CURRENCIES
from shared.urls import host_named
from shared.zones import MONDAY, WEEK_STARTS, zone_names

# Of a list: each event of the site is held against all of them.
MOST_ENTRIES = 100
MOST_PER_SECOND = 1_000_000
MOST_DAYS = 36_500
# What may stand before a host, for all that end so, and anywhere in a path, for anything.
ANY_HOST, ANY = "*.", "*"
# Of UTC; a week begins on Monday.
DAY, WEEK, MONTH = "day", "week", "month"
PERIODS = (DAY, WEEK, MONTH)
# What a parameter's name in a query cannot hold: there it would be an end, or written otherwise.
NO_PARAMETER = frozenset("&=#+%? ")


class SiteSettings(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Without any, a site is taken as one that nobody has registered."""

    # What people call it.
    name: str = ""
    # Other ids under which clients post its events.
    aliases: tuple[str, ...] = ()
    # Where its pages are, such as `shop.example` or `*.shop.example`; empty: anywhere.
    hosts: tuple[str, ...] = ()
    # Of which pages, senders and users nothing is kept.
    excluded_paths: tuple[str, ...] = ()
    excluded_addresses: tuple[str, ...] = ()
    excluded_users: tuple[str, ...] = ()
    # Of a query, what tells pages apart, in this order.
    kept_parameters: tuple[str, ...] = ()
    # How many it may have; 0: any number, None: as SITE_EVENTS_PER_SECOND has it.
    events_per_second: int | None = None
    # Where its days begin unless a question says otherwise, as an IANA name; empty: UTC.
    time_zone: str = ""
    # The day its weeks begin with, one of WEEK_STARTS.
    week_start: str = MONDAY
    # In which its amounts are, as ISO 4217 has it; empty: none is known.
    currency: str = ""
    # Whether its numbers need no key.
    public: bool = False
    # How long a visitor without a name stays the same: one of PERIODS. What a later version adds
    # to these is read, and taken for a day.
    visitor_period: str = DAY
    # After how many days its events are deleted; 0: never, None: as MAX_AGE has it.
    raw_data_age: int | None = None


Sites = Mapping[str, SiteSettings]

NAMES = tuple(field.name for field in msgspec.structs.fields(SiteSettings))
NOTHING_SET = SiteSettings()
# What changes no count.
TOLD_BY = frozenset({"name", "time_zone", "week_start", "currency", "public"})

encode_settings = msgspec.json.Encoder().encode
decode_settings = msgspec.json.Decoder(SiteSettings).decode
decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def encode_over(settings: SiteSettings, before: str) -> bytes:
    """As they replace what was encoded `before`: what a later version has set there, which this one
    does not know, stays."""
    unknown = {name: raw for name, raw in decode_members(before).items() if name not in NAMES}
    return encode_settings(unknown | msgspec.to_builtins(settings))


def settings_from(given: Mapping[str, Any], before: SiteSettings = NOTHING_SET) -> SiteSettings:
    """`before` with what is given, in the one form in which it is kept. Raises InvalidInput, which
    names the setting to blame."""
    unknown = sorted(given.keys() - set(NAMES))
    if unknown:
        raise unknown_setting(unknown[0])
    changes = {name: parsed(name, value) for name, value in given.items()}
    return msgspec.structs.replace(before, **changes)


def parsed(name: str, value: Any) -> Any:
    if name == "name":
        return text(name, value, MAX_NAME) if value else ""
    if name in CHOICES:
        return CHOICES[name](name, value)
    if not isinstance(value, list | tuple):
        raise refused(name, "must be a list of texts")
    if len(value) > MOST_ENTRIES:
        raise refused(name, f"must have at most {MOST_ENTRIES} entries")
    parse = ENTRIES[name]
    return tuple(dict.fromkeys(parse(name, entry) for entry in value))


def check_site_id(site_id: str) -> str:
    """A name that events can carry. Raises InvalidInput."""
    return text("site_id", site_id, MAX_NAME)


def text(name: str, value: object, most: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise refused(name, "must be a text that is not empty")
    if len(value) > most:
        raise refused(name, f"must have at most {most} characters")
    if UNPRINTABLE.search(value):
        raise refused(name, "must not hold control characters")
    return value


def period(name: str, value: object) -> str:
    given = word(value)
    if given is None or (given and given not in PERIODS):
        raise refused(name, f"must be one of {', '.join(PERIODS)}")
    return given or DAY


def number(name: str, value: object, most: int = MOST_PER_SECOND) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= most:
        raise refused(name, f"must be a number from 0 to {most}, or null")
    return value


def days(name: str, value: object) -> int | None:
    return number(name, value, MOST_DAYS)


def zone(name: str, value: object) -> str:
    given = word(value)
    if given is None or (given and given not in zone_names()):
        raise refused(name, "must be an IANA time zone, such as Europe/Berlin, or empty for UTC")
    return given


def week_start(name: str, value: object) -> str:
    given = word(value)
    if given is None or (given and given not in WEEK_STARTS):
        raise refused(name, f"must be one of {', '.join(WEEK_STARTS)}")
    return given or MONDAY


def currency(name: str, value: object) -> str:
    given = word(value)
    code = given and given.upper()
    if code is None or (code and code not in CURRENCIES):
        raise refused(name, "must be a code of ISO 4217, such as EUR, or empty for none")
    return code


def word(value: object) -> str | None:
    """Without blanks around it; None where it is no text."""
    return value.strip() if isinstance(value, str) else None


def switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise refused(name, "must be true or false")
    return value


CHOICES: dict[str, Callable[[str, object], str | bool | int | None]] = {
    "events_per_second": number,
    "raw_data_age": days,
    "visitor_period": period,
    "time_zone": zone,
    "week_start": week_start,
    "currency": currency,
    "public": switch,
}


def alias(name: str, value: object) -> str:
    return text(name, value, MAX_NAME)


def host(name: str, value: object) -> str:
    given = text(name, value, MAX_NAME).strip()
    prefix = ANY_HOST if given.startswith(ANY_HOST) else ""
    found = host_named(given.removeprefix(ANY_HOST))
    if found is None or ANY in found:
        raise refused(name, f"{given!r} is no host, such as shop.example or *.shop.example")
    return prefix + found


def path(name: str, value: object) -> str:
    given = text(name, value, MAX_TEXT)
    if given[0] not in {"/", ANY}:
        raise refused(name, f"{given!r} must begin with / or *, such as /admin/*")
    return given


def address(name: str, value: object) -> str:
    given = text(name, value, MAX_NAME).strip()
    try:
        return network(given)
    except ValueError:
        sentence = f"{given!r} is no IP address, or network such as 203.0.113.0/24"
        raise refused(name, sentence) from None


def user(name: str, value: object) -> str:
    return text(name, value, MAX_NAME)


def parameter(name: str, value: object) -> str:
    given = text(name, value, MAX_NAME)
    if NO_PARAMETER & set(given) or not given.isascii():
        raise refused(name, f"{given!r} is no name of a parameter, such as p")
    return given


ENTRIES: dict[str, Callable[[str, object], str]] = {
    "aliases": alias,
    "hosts": host,
    "excluded_paths": path,
    "excluded_addresses": address,
    "excluded_users": user,
    "kept_parameters": parameter,
}


def unknown_setting(name: str) -> InvalidInput:
    sentence = f"{name} is no setting of a site: there are {', '.join(NAMES)}"
    return InvalidInput("unknown_setting", sentence, field=name)


def refused(name: str, why: str) -> InvalidInput:
    return InvalidInput("bad_setting", f"{name} {why}", field=name)


def names_of(site_id: str, settings: SiteSettings) -> Sequence[str]:
    """All names that are this site's and no other's."""
    return tuple(dict.fromkeys((site_id, *settings.aliases)))
