"""The one definition of a valid event, and how what clients send is read into it.

Names that other systems' clients use are mapped first; then `Fields` decides. Whatever has no place
of its own becomes a property.
"""

import itertools
import secrets
from typing import Any

import msgspec

from ingestion.reading.aliases import CANONICAL, Aliases, as_property, with_canonical_names
from ingestion.reading.faults import fault_in, too_long
from ingestion.reading.fields import Fields
from ingestion.reading.paths import campaign_from, path_from
from ingestion.reading.timestamps import timestamp_from
from ingestion.sites.rules import NOBODY, KnownSites, Sender
from ingestion.visitor.visitors import Browser
from shared.errors import InvalidInput
from shared.event import EVENT_TYPES, Event
from shared.fields import MAX_NAME, MAX_PROPERTIES, MAX_USER_AGENT
from shared.sites.settings import DAY
from shared.urls import host_named, page_host

# Of a page as it was sent: reading the campaign out of a query of a megabyte takes a while.
MAX_PAGE = 32 * 1024
# Clients may have used these names for something of their own, before there were such fields.
NEWER = frozenset({"hostname"})
CAMPAIGN = frozenset({"utm_source", "utm_medium", "utm_campaign"})


class Visit(msgspec.Struct, frozen=True, gc=False):
    """What the request itself tells of every event in it."""

    received_at: int
    user_agent: str | None = None
    country: str | None = None
    default_site_id: str | None = None
    # Who sent it, where the request asks to tell visitors apart.
    browser: Browser | None = None
    # What is set for sites, and who sent it, where anything is.
    sites: KnownSites | None = None
    sender: Sender = NOBODY


class EventIds:
    """Ids for events whose caller gave none: unique, and cheaper than a UUID each."""

    def __init__(self) -> None:
        self.prefix = secrets.token_hex(8)
        self.numbers = itertools.count()

    def __call__(self) -> str:
        return f"{self.prefix}-{next(self.numbers):x}"


def event_from(raw: object, visit: Visit, make_id: EventIds, aliases: Aliases) -> Event:
    """One event from decoded JSON. Raises InvalidInput with the field to blame, and Excluded."""
    if type(raw) is not dict:
        raise InvalidInput("bad_type", "an event must be a JSON object")
    if not raw.keys() <= CANONICAL:
        raw = with_canonical_names(raw, aliases)
    try:
        fields = msgspec.convert(raw, Fields)
    except msgspec.ValidationError as error:
        fault = fault_in(raw)
        if fault is not None and fault.field in NEWER:
            return event_from(as_property(raw, fault.field), visit, make_id, aliases)
        raise (fault or error) from None
    return event_from_fields(fields, visit, make_id)


def event_from_fields(fields: Any, visit: Visit, make_id: EventIds) -> Event:
    site_id = fields.site_id or visit.default_site_id
    event_type = fields.event_type
    if not site_id or site_id.isspace():
        raise missing("site_id")
    if not event_type or event_type.isspace():
        raise missing("event_type")
    rules = None
    if visit.sites is not None:
        site_id = visit.sites.named(site_id)
        rules = visit.sites.rules_of(site_id)
    received_at = visit.received_at
    timestamp = fields.timestamp
    page = fields.path
    if page and len(page) > MAX_PAGE:
        raise too_long("path", f"{MAX_PAGE} characters, its query included")
    campaign = (campaign_from(page) or None) if page and "?" in page else None
    if timestamp is None or timestamp == "":
        happened_at = received_at
    else:
        happened_at = timestamp_from(timestamp, received_at)
    user_agent = fields.user_agent[:MAX_USER_AGENT] if fields.user_agent else visit.user_agent
    user_id = fields.user_id or None
    if visit.browser and not user_id:
        period = rules.visitor_period if rules is not None else DAY
        user_id = visit.browser.user_id(site_id, happened_at, user_agent, period)
    # Of a path, as most pages are, that is seen at once.
    hostname = None
    if fields.hostname or (page and page[0] != "/"):
        hostname = hostname_from(fields.hostname, page)
    path = path_from(page, rules.kept_parameters if rules else ()) if page else None
    if rules is not None:
        rules.check(site_id, visit.sender, hostname, path, user_id)
    return Event(
        site_id,
        happened_at,
        fields.event_id or make_id(),
        EVENT_TYPES.get(event_type, event_type),
        received_at,
        bool(fields.event_id),
        path,
        user_id,
        fields.session_id or None,
        fields.referrer or None,
        fields.title or None,
        user_agent,
        visit.country,
        fields.utm_source or (campaign and campaign.get("utm_source")),
        fields.utm_medium or (campaign and campaign.get("utm_medium")),
        fields.utm_campaign or (campaign and campaign.get("utm_campaign")),
        properties_of(fields.properties, campaign) if campaign else fields.properties or None,
        hostname,
    )


def hostname_from(given: str | None, page: str | None) -> str | None:
    """The host that shows the page: as it is given, or else the page's own where it is a URL.

    What is given and no host, such as a computer's name with a blank, is kept in lower case.
    """
    given = (given or "").strip()
    if given:
        return host_named(given) or given.lower()[:MAX_NAME]
    return page_host(page) if page else None


def properties_of(given: dict[str, Any] | None, campaign: dict[str, str]) -> dict[str, Any] | None:
    """The event's properties and those in a query string, which come after what the caller asked
    to keep."""
    given = given or {}
    other = {k: v for k, v in campaign.items() if k not in CAMPAIGN}
    return (given if len(other | given) > MAX_PROPERTIES else other | given) or None


def missing(field: str) -> InvalidInput:
    return InvalidInput("missing_field", f"{field} required", field=field)
