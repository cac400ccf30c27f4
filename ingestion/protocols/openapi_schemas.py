"""What an event is, in JSON Schema; the bounds come from the code that holds them."""

from ingestion.door import MAX_EVENT_BYTES
from ingestion.reading.body import MAX_EVENTS
from ingestion.reading.schema import ALIASES
from shared.fields import MAX_EVENT_ID, MAX_NAME, MAX_PROPERTIES, MAX_TEXT, MAX_USER_AGENT
from shared.http.openapi import STATUS_SCHEMA, Json, ref


def text_field(most: int, description: str) -> Json:
    return {"type": ["string", "null"], "maxLength": most, "description": description}


def name_field(description: str) -> Json:
    return text_field(MAX_NAME, description)


EVENT_PROPERTIES: Json = {
    "site_id": name_field("Whose event it is. Required, unless the service has `DEFAULT_SITE_ID`."),
    "event_type": name_field("What happened. Required; `pageview` is stored as `page_view`."),
    "timestamp": {
        "type": ["string", "number", "null"],
        "description": "When: ISO 8601 (without a zone it is UTC, an offset is converted), or Unix "
        "seconds or milliseconds as a number or digits. Not before 1970, at most one day ahead. "
        "Without it, the time of arrival.",
    },
    "path": {
        "type": ["string", "null"],
        "description": f"The page, as a path or a URL; kept is the path, at most {MAX_TEXT} "
        "characters. `utm_*` are read from its query string, then query and fragment are cut off.",
    },
    "user_id": name_field(
        "Who; counted by `unique_users`. Without it the event is nobody's, unless the request asks "
        "for `?users=hashed`."
    ),
    "session_id": name_field("In which visit."),
    "referrer": text_field(MAX_TEXT, "Where the visitor came from."),
    "title": text_field(MAX_TEXT, "The page's title."),
    "user_agent": {
        "type": ["string", "null"],
        "description": "The browser, for servers that post on its behalf; without it, the "
        f"request's `User-Agent`. Cut to {MAX_USER_AGENT} characters.",
    },
    "event_id": text_field(
        MAX_EVENT_ID,
        "Your idempotency key: within `DEDUPE_DAYS` the same `site_id` and `event_id` count once.",
    ),
    "utm_source": name_field("Campaign source; wins over the one in `path`."),
    "utm_medium": name_field("Campaign medium; wins over the one in `path`."),
    "utm_campaign": name_field("Campaign name; wins over the one in `path`."),
    "properties": {
        "type": ["object", "null"],
        "maxProperties": MAX_PROPERTIES,
        "propertyNames": {"maxLength": MAX_NAME},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        "description": "Anything else about the event, as a flat object. Members of the event that "
        "are not listed here are added to it; a nested one is kept as JSON text.",
    },
}


def with_aliases(properties: Json) -> Json:
    """The same properties, each saying by which other names it is read."""
    named = {name: dict(schema) for name, schema in properties.items()}
    for name, schema in named.items():
        others = [alias for alias, canonical in ALIASES.items() if canonical == name]
        others += ["payload.page_url"] if name == "path" else []
        if others:
            schema["x-aliases"] = others
            also = ", ".join(f"`{other}`" for other in others)
            schema["description"] += f" Also read from {also}; `{name}` wins."
    return named


REJECTED: Json = {
    "type": "array",
    "description": "The events that were not accepted, by their index in the request.",
    "items": {
        "type": "object",
        "required": ["index", "code", "error"],
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "code": {"type": "string"},
            "error": {"type": "string"},
            "field": {"type": "string"},
        },
    },
}
SCHEMAS: Json = {
    "Event": {
        "type": "object",
        "description": f"One event, at most {MAX_EVENT_BYTES // 1024} KiB.",
        "required": ["site_id"],
        "anyOf": [{"required": ["event_type"]}, {"required": ["name"]}],
        "properties": with_aliases(EVENT_PROPERTIES),
        "additionalProperties": True,
    },
    "Events": {
        "description": f"One event or several, at most {MAX_EVENTS:,}.",
        "anyOf": [
            ref("Event"),
            {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": ref("Event")},
            {
                "type": "object",
                "required": ["events"],
                "properties": {
                    "events": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_EVENTS,
                        "items": ref("Event"),
                    }
                },
            },
        ],
    },
    "Accepted": {
        "type": "object",
        "description": "The events are in the queue. The counts are there when several were sent.",
        "required": ["status"],
        "properties": {
            "status": {"const": "accepted"},
            "accepted": {"type": "integer", "minimum": 1},
            "rejected": REJECTED,
        },
    },
    "Refused": {
        "description": "An error; with counts and reasons where several events were sent.",
        "allOf": [ref("Error")],
        "properties": {"accepted": {"const": 0}, "rejected": REJECTED},
    },
    "Status": STATUS_SCHEMA,
}
