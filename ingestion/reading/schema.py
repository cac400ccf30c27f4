"""The one definition of a valid event, and how what clients send is read into it.

Names that other systems' clients use are mapped first; then `Fields` decides. Whatever has no place
of its own becomes a property.
"""

import itertools
import re
import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingestion.reading.paths import campaign_from, path_from
from ingestion.reading.timestamps import timestamp_from
from ingestion.visitor.visitors import Browser
from shared.errors import InvalidInput
from shared.event import EVENT_TYPES, Event
from shared.fields import MAX_EVENT_ID, MAX_NAME, MAX_PROPERTIES, MAX_TEXT, MAX_USER_AGENT

# Of a page as it was sent: reading the campaign out of a query of a megabyte takes a while.
MAX_PAGE = 32 * 1024

Name = Annotated[str, Meta(max_length=MAX_NAME)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
EventId = Annotated[str, Meta(max_length=MAX_EVENT_ID)]
# What a signed 64-bit column, and the JSON of any database, keeps as it is.
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Flat = str | Integer | float | bool | None
Properties = Annotated[dict[Name, Flat], Meta(max_length=MAX_PROPERTIES)]


class Fields(msgspec.Struct, frozen=True, gc=False):
    """What a client may say of an event, by its canonical names."""

    site_id: Name | None = None
    event_type: Name | None = None
    timestamp: str | int | float | None = None
    # The page as it was sent; its length counts once it is reduced to a path.
    path: str | None = None
    user_id: Name | None = None
    session_id: Name | None = None
    referrer: Text | None = None
    title: Text | None = None
    user_agent: str | None = None
    event_id: EventId | None = None
    utm_source: Name | None = None
    utm_medium: Name | None = None
    utm_campaign: Name | None = None
    properties: Properties | None = None


class Visit(msgspec.Struct, frozen=True, gc=False):
    """What the request itself tells of every event in it."""

    received_at: int
    user_agent: str | None = None
    country: str | None = None
    default_site_id: str | None = None
    # Who sent it, where the request asks to tell visitors apart.
    browser: Browser | None = None


CANONICAL = frozenset(Fields.__struct_fields__)
CAMPAIGN = frozenset({"utm_source", "utm_medium", "utm_campaign"})
ALIASES = {
    "name": "event_type",
    "userId": "user_id",
    "uniqueId": "user_id",
    "createdAt": "timestamp",
    "page_url": "path",
    "url": "path",
    "sessionId": "session_id",
}
PAGE_NAMES = frozenset({"path"} | {k for k, v in ALIASES.items() if v == "path"})


class EventIds:
    """Ids for events whose caller gave none: unique, and cheaper than a UUID each."""

    def __init__(self) -> None:
        self.prefix = secrets.token_hex(8)
        self.numbers = itertools.count()

    def __call__(self) -> str:
        return f"{self.prefix}-{next(self.numbers):x}"


def event_from(raw: object, visit: Visit, make_id: EventIds) -> Event:
    """One event from decoded JSON. Raises InvalidInput with the field to blame."""
    if type(raw) is not dict:
        raise InvalidInput("bad_type", "an event must be a JSON object")
    if not raw.keys() <= CANONICAL:
        raw = with_canonical_names(raw)
    try:
        fields = msgspec.convert(raw, Fields)
    except msgspec.ValidationError as error:
        raise invalid_from(str(error)) from None
    return event_from_fields(fields, visit, make_id)


def event_from_fields(fields: Fields, visit: Visit, make_id: EventIds) -> Event:
    site_id = fields.site_id or visit.default_site_id
    event_type = fields.event_type
    if not site_id or site_id.isspace():
        raise missing("site_id")
    if not event_type or event_type.isspace():
        raise missing("event_type")
    received_at = visit.received_at
    timestamp = fields.timestamp
    page = fields.path
    if page and len(page) > MAX_PAGE:
        sentence = f"path must have at most {MAX_PAGE} characters, its query included"
        raise InvalidInput("too_long", sentence, field="path")
    campaign = campaign_from(page) if page and "?" in page else {}
    if timestamp is None or timestamp == "":
        happened_at = received_at
    else:
        happened_at = timestamp_from(timestamp, received_at)
    user_agent = fields.user_agent[:MAX_USER_AGENT] if fields.user_agent else visit.user_agent
    user_id = fields.user_id or None
    if visit.browser and not user_id:
        user_id = visit.browser.user_id(site_id, happened_at, user_agent)
    return Event(
        site_id,
        happened_at,
        fields.event_id or make_id(),
        EVENT_TYPES.get(event_type, event_type),
        received_at,
        bool(fields.event_id),
        path_from(page) if page else None,
        user_id,
        fields.session_id or None,
        fields.referrer or None,
        fields.title or None,
        user_agent,
        visit.country,
        fields.utm_source or campaign.get("utm_source"),
        fields.utm_medium or campaign.get("utm_medium"),
        fields.utm_campaign or campaign.get("utm_campaign"),
        properties_of(fields, campaign),
    )


def properties_of(fields: Fields, campaign: dict[str, str]) -> dict[str, Any] | None:
    given: dict[str, Any] = fields.properties or {}
    if campaign:
        other = {k: v for k, v in campaign.items() if k not in CAMPAIGN}
        # What the caller asked to keep comes before what was found in a query string.
        given = given if len(other | given) > MAX_PROPERTIES else other | given
    return given or None


def with_canonical_names(raw: dict[str, Any]) -> dict[str, Any]:
    """The same event with other systems' names mapped and the unknown ones made properties.

    A canonical name wins over its alias; the alias is then a property like any other. Of an object
    `payload` only `page_url` is a name we know; its other members become properties as they are.
    """
    fields = {k: v for k, v in raw.items() if k in CANONICAL}
    extra = {k: v for k, v in raw.items() if k not in CANONICAL}
    for alias, canonical in ALIASES.items():
        if extra.get(alias) is not None and fields.get(canonical) is None:
            fields[canonical] = extra.pop(alias)
    if isinstance(extra.get("payload"), dict):
        payload = dict(extra.pop("payload"))
        if payload.get("page_url") is not None and fields.get("path") is None:
            fields["path"] = payload.pop("page_url")
        extra = payload | extra
    given = fields.get("properties")
    if extra and (given is None or isinstance(given, dict)):
        fields["properties"] = {k: flattened(v) for k, v in extra.items()} | (given or {})
    return fields


def flattened(value: object) -> object:
    """A value nobody asked for, kept as JSON text where it is not flat."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return value


def missing(field: str) -> InvalidInput:
    return InvalidInput("missing_field", f"{field} required", field=field)


CODES_BY_SIGN = {
    "of length <=": "too_long",
    "int <=": "number_out_of_range",
    "int >=": "number_out_of_range",
}
FIELD_IN_ERROR = re.compile(r"\$\.(\w+)")


def invalid_from(message: str) -> InvalidInput:
    """Our error for msgspec's sentence, such as "Expected `str`, got `int` - at `$.user_id`"."""
    found = FIELD_IN_ERROR.search(message)
    field = found.group(1) if found else None
    reason = message.partition(" - at ")[0].replace("`", "")
    code = next((code for sign, code in CODES_BY_SIGN.items() if sign in reason), "bad_type")
    sentence = f"{field}: {reason[0].lower()}{reason[1:]}" if field else reason
    return InvalidInput(code, sentence, field=field)
