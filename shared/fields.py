"""The fields of an event, each declared once: what it is called, how long it may be, where it comes
from, and whether events are told apart by it.

From this table follow the columns of `events`, what a client may send, filters and breakdowns,
rollups and segments, the API's description, and the dashboard's lists; the struct on the wire
(shared/event.py) is held equal to it by a test. The order is that of the wire and of the columns:
new fields go to the end.
"""

from dataclasses import dataclass
from enum import Enum

# Bounds, in characters.
MAX_NAME = 255
MAX_TEXT = 2048
MAX_EVENT_ID = 64
# Longer user agents are cut: they come from scanners, and what tells browsers apart comes first.
MAX_USER_AGENT = 1024
# Of a browser's, a system's or a device's name.
MAX_CLIENT = 64
MAX_PROPERTIES = 50
# How many of them a request brings at most.
MAX_EVENTS = 1000


class Origin(Enum):
    """Where a field comes from."""

    CLIENT = "what the client says, or else the request or the worker's own rules"
    REQUEST = "what the door takes from the request"
    WORKER = "what a step of the worker makes of the other fields"


class Kind(Enum):
    """What a field's value is."""

    TEXT = "text"
    MOMENT = "milliseconds since 1970 UTC"
    FLAG = "true or false"
    OBJECT = "a flat JSON object"


@dataclass(frozen=True)
class Dimension:
    """A field by whose values events are broken down and filtered.

    `name` is the API's, `label` the dashboard's; `tab` tells it from others in one list of PANELS.
    With `has_rollup`, its values are counted as batches are merged, and asking costs the same
    however many events there are; without, answers come from segments, and merging pays nothing.
    """

    name: str
    label: str
    tab: str = ""
    has_rollup: bool = True


@dataclass(frozen=True)
class Field:
    """One field. `most` is how many characters a text may have; `description` is for API users, in
    Markdown, and empty where they never see the field under this name."""

    name: str
    kind: Kind
    origin: Origin
    description: str = ""
    most: int | None = None
    is_required: bool = False
    is_stored: bool = True
    dimension: Dimension | None = None

    @property
    def is_on_wire(self) -> bool:
        """Whether it waits in Redis with the event."""
        return self.origin is not Origin.WORKER


def client_text(
    name: str,
    most: int,
    description: str,
    dimension: Dimension | None = None,
    *,
    is_required: bool = False,
) -> Field:
    """A text that the client may send."""
    return Field(
        name,
        Kind.TEXT,
        Origin.CLIENT,
        description,
        most,
        is_required=is_required,
        dimension=dimension,
    )


def made_text(name: str, most: int, description: str, dimension: Dimension | None = None) -> Field:
    """A text that a step of the worker makes."""
    return Field(name, Kind.TEXT, Origin.WORKER, description, most, dimension=dimension)


EVENT_TYPE = "event_type"

FIELDS = (
    client_text(
        "site_id",
        MAX_NAME,
        "Whose event it is. Required, unless the service has `DEFAULT_SITE_ID`.",
        is_required=True,
    ),
    Field(
        "timestamp",
        Kind.MOMENT,
        Origin.CLIENT,
        "When: ISO 8601 (without a zone it is UTC, an offset is converted), or Unix seconds or "
        "milliseconds as a number or digits. Not before 1970, at most one day ahead. Without it, "
        "the time of arrival.",
        is_required=True,
    ),
    client_text(
        "event_id",
        MAX_EVENT_ID,
        "Your idempotency key: within `DEDUPE_DAYS` the same `site_id` and `event_id` count once.",
        is_required=True,
    ),
    client_text(
        EVENT_TYPE,
        MAX_NAME,
        "What happened. Required; `pageview` is stored as `page_view`.",
        # Counted by type in every rollup, whatever else it is about.
        Dimension(EVENT_TYPE, "Event"),
        is_required=True,
    ),
    Field("received_at", Kind.MOMENT, Origin.REQUEST, is_required=True),
    # Whether the caller chose `event_id`: then, and only then, it is an idempotency key.
    Field("has_caller_id", Kind.FLAG, Origin.REQUEST, is_stored=False),
    client_text(
        "path",
        MAX_TEXT,
        f"The page, as a path or a URL; kept is the path, at most {MAX_TEXT} characters. `utm_*` "
        "are read from its query string, then query and fragment are cut off.",
        Dimension("path", "Page", "Path"),
    ),
    client_text(
        "user_id",
        MAX_NAME,
        "Who; counted by `unique_users`. Without it the event is nobody's, unless the request asks "
        "for `?users=hashed`.",
    ),
    client_text("session_id", MAX_NAME, "In which visit."),
    client_text("referrer", MAX_TEXT, "Where the visitor came from."),
    client_text("title", MAX_TEXT, "The page's title."),
    client_text(
        "user_agent",
        MAX_USER_AGENT,
        "The browser, for servers that post on its behalf; without it, the request's `User-Agent`. "
        f"Cut to {MAX_USER_AGENT} characters.",
    ),
    Field(
        "country",
        Kind.TEXT,
        Origin.REQUEST,
        "The visitor's country, two letters.",
        most=2,
        dimension=Dimension("country", "Country"),
    ),
    client_text(
        "utm_source",
        MAX_NAME,
        "Campaign source; wins over the one in `path`.",
        Dimension("utm_source", "Campaign source", "Source"),
    ),
    client_text(
        "utm_medium",
        MAX_NAME,
        "Campaign medium; wins over the one in `path`.",
        Dimension("utm_medium", "Campaign medium", "Medium"),
    ),
    client_text(
        "utm_campaign",
        MAX_NAME,
        "Campaign name; wins over the one in `path`.",
        Dimension("utm_campaign", "Campaign", "Name"),
    ),
    Field(
        "properties",
        Kind.OBJECT,
        Origin.CLIENT,
        "Anything else about the event, as a flat object. Members of the event that are not listed "
        "here are added to it; a nested one is kept as JSON text.",
    ),
    made_text(
        "source",
        MAX_NAME,
        "The site or app that `referrer` leads to.",
        Dimension("referrer", "Source"),
    ),
    made_text("browser", MAX_CLIENT, "Of `user_agent`.", Dimension("browser", "Browser")),
    made_text("os", MAX_CLIENT, "Of `user_agent`.", Dimension("os", "System")),
    made_text("device", MAX_CLIENT, "Of `user_agent`.", Dimension("device", "Device")),
    client_text(
        "hostname",
        MAX_NAME,
        "The host that shows the page; kept in lower case, without port, an international name in "
        "Unicode. Without it, that of `path` where this is a URL.",
        Dimension("hostname", "Host", "Host", has_rollup=False),
    ),
)

# The dashboard's lists, in order, and what each can show; the first is what it shows at first.
PANELS = {
    "Pages": ("path", "hostname"),
    "Sources": ("referrer",),
    "Countries": ("country",),
    "Events": (EVENT_TYPE,),
    "Browsers": ("browser",),
    "Systems": ("os",),
    "Devices": ("device",),
    "Campaigns": ("utm_campaign", "utm_source", "utm_medium"),
}

STORED = tuple(field for field in FIELDS if field.is_stored)
ON_WIRE = tuple(field for field in FIELDS if field.is_on_wire)
FROM_CLIENT = tuple(field for field in FIELDS if field.origin is Origin.CLIENT)
MADE_BY_WORKER = tuple(field for field in FIELDS if field.origin is Origin.WORKER)
# By the API's name.
DIMENSIONS = {field.dimension.name: field for field in FIELDS if field.dimension is not None}
# The names of those that have rollups.
COUNTED = frozenset(
    field.dimension.name for field in FIELDS if field.dimension and field.dimension.has_rollup
)


def fields_as_markdown() -> str:
    """The table of what clients may send, for docs/api.md."""
    lines = ["| field | at most | what it is |", "| --- | --- | --- |"]
    for field in FROM_CLIENT:
        bound = f"{field.most} characters" if field.most else ""
        lines.append(f"| `{field.name}` | {bound} | {field.description} |")
    return "\n".join(lines)


def dimensions_as_markdown() -> str:
    """The table of dimensions, for docs/api.md."""
    lines = ["| dimension | values are | counted |", "| --- | --- | --- |"]
    for name, field in DIMENSIONS.items():
        counted = "with the events" if name in COUNTED else "in columns of past hours"
        lines.append(f"| `{name}` | {value_of(name, field)} | {counted} |")
    return "\n".join(lines)


def value_of(name: str, field: Field) -> str:
    return f"of the field `{name}`" if field.origin is Origin.CLIENT else field.description
